// Eight lanes: AVX2, FMA, F16C.
#pragma once

#include <immintrin.h>

#include "superinfer/types.h"

namespace superinfer::SUPERINFER_ISA {

struct Vec {
  static constexpr int kWidth = 8;
  __m256 v;
};

SUPERINFER_INLINE Vec set1(float x) { return {_mm256_set1_ps(x)}; }
SUPERINFER_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
// If either operand is a NaN, the second one is returned.
SUPERINFER_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec round(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
SUPERINFER_INLINE bool any_nan(Vec a) { return _mm256_movemask_ps(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)) != 0; }

SUPERINFER_INLINE float reduce_add(Vec a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
SUPERINFER_INLINE float reduce_max(Vec a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

// 2^n for integral n in [-126, 127].
SUPERINFER_INLINE Vec exp2_integral(Vec n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23))};
}

// out[i] = sum of the i-th operand's lanes.
SUPERINFER_INLINE void reduce_add4(Vec a, Vec b, Vec c, Vec d, float* out) {
  const __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(a.v, b.v), _mm256_hadd_ps(c.v, d.v));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

SUPERINFER_INLINE __m256 widen(__m128i bits, Half) { return _mm256_cvtph_ps(bits); }
SUPERINFER_INLINE __m256 widen(__m128i bits, BFloat16) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

SUPERINFER_INLINE __m128i narrow(Vec a, Half) { return _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT); }
SUPERINFER_INLINE __m128i narrow(Vec a, BFloat16) {
  const __m256i bits = _mm256_castps_si256(a.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  const __m256i kept = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(kept), _mm256_extracti128_si256(kept, 1));
}

SUPERINFER_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
SUPERINFER_INLINE void store(float* p, Vec a) { _mm256_storeu_ps(p, a.v); }

template <class T>
SUPERINFER_INLINE Vec load(const T* p) {
  return {widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), T{})};
}
template <class T>
SUPERINFER_INLINE void store(T* p, Vec a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(a, T{}));
}

// Eight words of packed codes, and the numbers that their index-th codes of BITS bits are.
typedef __m256i Words;
SUPERINFER_INLINE Words load_words(const uint32_t* p, int /*lanes: always all eight*/) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
template <int BITS>
SUPERINFER_INLINE Vec codes(Words words, int index) {
  const __m256i mask = _mm256_set1_epi32((1 << BITS) - 1);
  return {_mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(words, index * BITS), mask))};
}

SUPERINFER_INLINE Vec load_bytes(const uint8_t* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}

// The floats whose bits are base + step * byte.
SUPERINFER_INLINE Vec load_floats(const uint8_t* p, int32_t base, int32_t step) {
  const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  const __m256i above = _mm256_mullo_epi32(bytes, _mm256_set1_epi32(step));
  return {_mm256_castsi256_ps(_mm256_add_epi32(above, _mm256_set1_epi32(base)))};
}

}  // namespace superinfer::SUPERINFER_ISA
