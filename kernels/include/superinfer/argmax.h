// Greedy sampling: the index of each row's largest number.
#pragma once

#include "superinfer/elements.h"

namespace superinfer::SUPERINFER_ISA {

SUPERINFER_INLINE int64_t first_nan(const float* x, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    if (x[i] != x[i]) return i;
  }
  return 0;
}

SUPERINFER_INLINE int64_t first_equal(const float* x, int64_t width, float value) {
  for (int64_t i = 0; i < width; ++i) {
    if (x[i] == value) return i;
  }
  return 0;
}

// The first of the largest numbers; a NaN counts as the largest of all.
SUPERINFER_INLINE int64_t argmax_row(const float* x, int64_t width) {
  Vec top = set1(x[0]);
  bool nan = false;
  int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) {
    const Vec value = load(x + i);
    nan |= any_nan(value);
    top = max(top, value);
  }
  float largest = reduce_max(top);
  for (; i < width; ++i) {
    nan |= x[i] != x[i];
    largest = larger(largest, x[i]);
  }
  return nan ? first_nan(x, width) : first_equal(x, width, largest);
}

inline void argmax(const ArgmaxParams& params) {
#pragma omp parallel for if (params.rows * params.width >= kParallelFrom)
  for (int64_t r = 0; r < params.rows; ++r) params.out[r] = argmax_row(params.x + r * params.x_stride, params.width);
}

}  // namespace superinfer::SUPERINFER_ISA
