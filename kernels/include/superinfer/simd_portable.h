// Four lanes in the compiler's own vector type: SSE2 on x86-64, NEON on aarch64.
#pragma once

#include "superinfer/types.h"

namespace superinfer::SUPERINFER_ISA {

typedef float Float4 __attribute__((vector_size(16)));
typedef int32_t Int4 __attribute__((vector_size(16)));

struct Vec {
  static constexpr int kWidth = 4;
  Float4 v;
};

SUPERINFER_INLINE Vec set1(float x) { return {Float4{x, x, x, x}}; }
SUPERINFER_INLINE Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
SUPERINFER_INLINE Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
SUPERINFER_INLINE Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
SUPERINFER_INLINE Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
SUPERINFER_INLINE Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
// If either operand is a NaN, the second one is returned.
SUPERINFER_INLINE Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
SUPERINFER_INLINE Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }

// Adding 1.5 * 2^23 leaves no bits for a fraction. For |a| below 2^22.
SUPERINFER_INLINE Vec round(Vec a) {
  const Vec magic = set1(12582912.0f);
  return a + magic - magic;
}

SUPERINFER_INLINE bool any_nan(Vec a) {
  const Int4 unordered = a.v != a.v;
  return (unordered[0] | unordered[1] | unordered[2] | unordered[3]) != 0;
}
SUPERINFER_INLINE float reduce_add(Vec a) { return (a.v[0] + a.v[1]) + (a.v[2] + a.v[3]); }
SUPERINFER_INLINE float reduce_max(Vec a) {
  const float low = a.v[0] > a.v[1] ? a.v[0] : a.v[1];
  const float high = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
  return low > high ? low : high;
}

// 2^n for integral n in [-126, 127]; anything finite for a NaN.
SUPERINFER_INLINE Vec exp2_integral(Vec n) {
  // The magic number's low bits now hold n: no conversion, which a NaN would make undefined.
  const Vec shifted = n + set1(12582912.0f + 127.0f);
  Int4 bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits & 0xff) << 23;
  Vec power;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// out[i] = sum of the i-th operand's lanes.
SUPERINFER_INLINE void reduce_add4(Vec a, Vec b, Vec c, Vec d, float* out) {
  out[0] = reduce_add(a);
  out[1] = reduce_add(b);
  out[2] = reduce_add(c);
  out[3] = reduce_add(d);
}

// Four words of packed codes, and the numbers that their index-th codes of BITS bits are.
typedef uint32_t Words __attribute__((vector_size(16)));
SUPERINFER_INLINE Words load_words(const uint32_t* p, int /*lanes: always all four*/) {
  Words words;
  std::memcpy(&words, p, sizeof words);
  return words;
}
template <int BITS>
SUPERINFER_INLINE Vec codes(Words words, int index) {
  const Int4 code = (Int4)(words >> (index * BITS) & ((1u << BITS) - 1));
  return {Float4{float(code[0]), float(code[1]), float(code[2]), float(code[3])}};
}

SUPERINFER_INLINE Vec load_bytes(const uint8_t* p) {
  return {Float4{float(p[0]), float(p[1]), float(p[2]), float(p[3])}};
}

// The floats whose bits are base + step * byte.
SUPERINFER_INLINE Vec load_floats(const uint8_t* p, int32_t base, int32_t step) {
  const Words bytes = {p[0], p[1], p[2], p[3]};
  const Words bits = bytes * uint32_t(step) + uint32_t(base);
  Vec floats;
  std::memcpy(&floats, &bits, sizeof floats);
  return floats;
}

template <class T>
SUPERINFER_INLINE Vec load(const T* p) {
  return {Float4{to_float(p[0]), to_float(p[1]), to_float(p[2]), to_float(p[3])}};
}
template <class T>
SUPERINFER_INLINE void store(T* p, Vec a) {
  for (int i = 0; i < 4; ++i) p[i] = from_float<T>(a.v[i]);
}

}  // namespace superinfer::SUPERINFER_ISA
