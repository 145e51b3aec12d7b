// The vector type of the instruction set this file is compiled for, and what can be built on it.
//
// Everything lives in a namespace named after the instruction set, and is inlined: two translation units
// compiled with different flags must never share a function, else the linker could keep the wrong one.
#pragma once

#ifndef SUPERINFER_ISA
#error "define SUPERINFER_ISA as portable, avx2 or avx512"
#endif

#if defined(__AVX512F__)
#include "superinfer/simd_avx512.h"
#elif defined(__AVX2__)
#include "superinfer/simd_avx2.h"
#else
#include "superinfer/simd_portable.h"
#endif

namespace superinfer::SUPERINFER_ISA {

constexpr int kWidth = Vec::kWidth;

template <class A>
constexpr A smaller(A a, A b) {
  return a < b ? a : b;
}
template <class A>
constexpr A larger(A a, A b) {
  return a > b ? a : b;
}
constexpr int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }

#if !defined(__AVX512F__)
template <class T>
SUPERINFER_INLINE Vec load_partial(const T* p, int n) {
  T lanes[kWidth] = {};
  std::memcpy(lanes, p, n * sizeof(T));
  return load(lanes);
}
template <class T>
SUPERINFER_INLINE void store_partial(T* p, Vec a, int n) {
  T lanes[kWidth];
  store(lanes, a);
  std::memcpy(p, lanes, n * sizeof(T));
}
#endif

// Calls body(offset, lanes) over [0, n); lanes is kWidth except for the last call.
template <class Body>
SUPERINFER_INLINE void for_each_vec(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) body(i, kWidth);
  if (i < n) body(i, int(n - i));
}

template <class T>
SUPERINFER_INLINE Vec load_n(const T* p, int lanes) {
  return lanes == kWidth ? load(p) : load_partial(p, lanes);
}
template <class T>
SUPERINFER_INLINE void store_n(T* p, Vec a, int lanes) {
  if (lanes == kWidth) {
    store(p, a);
  } else {
    store_partial(p, a, lanes);
  }
}

// e^x to about one unit in the last place; below -87.3 the smallest normal number; a NaN stays a NaN.
SUPERINFER_INLINE Vec exp(Vec x) {
  x = min(set1(88.3f), max(set1(-87.3f), x));
  const Vec n = round(x * set1(1.44269504088896341f));
  // ln 2 in two parts, so that n * ln 2 is exact enough to subtract.
  const Vec r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), x));
  Vec p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = fma(p * r, r, r + set1(1.0f));
  return p * exp2_integral(n);
}

SUPERINFER_INLINE Vec tanh(Vec x) {
  const Vec one = set1(1.0f);
  // e^2x is clamped where tanh has long been 1.
  return one - set1(2.0f) / (exp(x + x) + one);
}

// Calls body with a null pointer to the element type named by dtype.
template <class Body>
SUPERINFER_INLINE void with_type(DType dtype, Body body) {
  switch (dtype) {
    case DType::kFloat32:
      return body(static_cast<const float*>(nullptr));
    case DType::kFloat16:
      return body(static_cast<const Half*>(nullptr));
    case DType::kBFloat16:
      return body(static_cast<const BFloat16*>(nullptr));
  }
}

}  // namespace superinfer::SUPERINFER_ISA
