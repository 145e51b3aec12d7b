// Sixteen lanes: AVX-512 F, BW, VL, DQ.
#pragma once

#include <immintrin.h>

#include "superinfer/types.h"

namespace superinfer::SUPERINFER_ISA {

struct Vec {
  static constexpr int kWidth = 16;
  __m512 v;
};

SUPERINFER_INLINE Vec set1(float x) { return {_mm512_set1_ps(x)}; }
SUPERINFER_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// If either operand is a NaN, the second one is returned.
SUPERINFER_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
SUPERINFER_INLINE Vec round(Vec a) { return {_mm512_roundscale_ps(a.v, 0)}; }
SUPERINFER_INLINE bool any_nan(Vec a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0; }
SUPERINFER_INLINE float reduce_add(Vec a) { return _mm512_reduce_add_ps(a.v); }
SUPERINFER_INLINE float reduce_max(Vec a) { return _mm512_reduce_max_ps(a.v); }

// 2^n for integral n in [-126, 127].
SUPERINFER_INLINE Vec exp2_integral(Vec n) { return {_mm512_scalef_ps(_mm512_set1_ps(1.0f), n.v)}; }

SUPERINFER_INLINE __m256 fold(Vec a) {
  return _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
}

// out[i] = sum of the i-th operand's lanes.
SUPERINFER_INLINE void reduce_add4(Vec a, Vec b, Vec c, Vec d, float* out) {
  const __m256 ab = _mm256_hadd_ps(fold(a), fold(b));
  const __m256 cd = _mm256_hadd_ps(fold(c), fold(d));
  const __m256 all = _mm256_hadd_ps(ab, cd);
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

SUPERINFER_INLINE __m512 widen(__m256i bits, Half) { return _mm512_cvtph_ps(bits); }
SUPERINFER_INLINE __m512 widen(__m256i bits, BFloat16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

SUPERINFER_INLINE __m256i narrow(Vec a, Half) { return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT); }
SUPERINFER_INLINE __m256i narrow(Vec a, BFloat16) {
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}

// Sixteen words of packed codes, and the numbers that their index-th codes of BITS bits are.
typedef __m512i Words;
SUPERINFER_INLINE Words load_words(const uint32_t* p, int lanes) {
  return _mm512_maskz_loadu_epi32(__mmask16((1u << lanes) - 1), p);
}
template <int BITS>
SUPERINFER_INLINE Vec codes(Words words, int index) {
  const __m512i shifted = _mm512_srli_epi32(words, index * BITS);
  if constexpr (BITS == 4) {
    // The permutation looks at four bits of each lane: one instruction instead of a mask and a conversion.
    const __m512 numbers = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return {_mm512_permutexvar_ps(shifted, numbers)};
  }
  return {_mm512_cvtepi32_ps(_mm512_and_si512(shifted, _mm512_set1_epi32((1 << BITS) - 1)))};
}

SUPERINFER_INLINE Vec load_bytes(const uint8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}

// The floats whose bits are base + step * byte.
SUPERINFER_INLINE Vec load_floats(const uint8_t* p, int32_t base, int32_t step) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m512i above = _mm512_mullo_epi32(bytes, _mm512_set1_epi32(step));
  return {_mm512_castsi512_ps(_mm512_add_epi32(above, _mm512_set1_epi32(base)))};
}

SUPERINFER_INLINE __mmask16 first_lanes(int n) { return __mmask16((1u << n) - 1); }

SUPERINFER_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
SUPERINFER_INLINE void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
SUPERINFER_INLINE Vec load_partial(const float* p, int n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
SUPERINFER_INLINE void store_partial(float* p, Vec a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }

template <class T>
SUPERINFER_INLINE Vec load(const T* p) {
  return {widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), T{})};
}
template <class T>
SUPERINFER_INLINE void store(T* p, Vec a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a, T{}));
}
template <class T>
SUPERINFER_INLINE Vec load_partial(const T* p, int n) {
  return {widen(_mm256_maskz_loadu_epi16(first_lanes(n), p), T{})};
}
template <class T>
SUPERINFER_INLINE void store_partial(T* p, Vec a, int n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), narrow(a, T{}));
}

}  // namespace superinfer::SUPERINFER_ISA
