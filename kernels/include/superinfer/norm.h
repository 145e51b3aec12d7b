// Root-mean-square normalisation of rows, with or without adding a residual first.
#pragma once

#include <cmath>

#include "superinfer/elements.h"

namespace superinfer::SUPERINFER_ISA {

template <class T, class W>
SUPERINFER_INLINE void norm_row(const T* x, T* residual, const W* weight, T* out, int64_t width, float eps) {
  Vec squares = set1(0.0f);
  for_each_vec(width, [&](int64_t i, int lanes) {
    Vec value = load_n(x + i, lanes);
    if (residual != nullptr) {
      value = value + load_n(residual + i, lanes);
      store_n(residual + i, value, lanes);
    }
    squares = fma(value, value, squares);
  });
  const T* from = residual != nullptr ? residual : x;
  const Vec factor = set1(1.0f / std::sqrt(reduce_add(squares) / float(width) + eps));
  for_each_vec(width, [&](int64_t i, int lanes) {
    store_n(out + i, load_n(from + i, lanes) * factor * load_n(weight + i, lanes), lanes);
  });
}

template <class T, class W>
void rms_norm_as(const NormParams& params) {
  const T* x = static_cast<const T*>(params.x);
  T* residual = static_cast<T*>(params.residual);
  T* out = static_cast<T*>(params.out);
  const W* weight = static_cast<const W*>(params.weight);
#pragma omp parallel for if (params.tokens * params.width >= kParallelFrom)
  for (int64_t t = 0; t < params.tokens; ++t) {
    norm_row(x + t * params.x_stride, residual == nullptr ? nullptr : residual + t * params.residual_stride, weight,
             out + t * params.out_stride, params.width, params.eps);
  }
}

inline void rms_norm(const NormParams& params) {
  with_type(params.dtype, [&](auto x) {
    with_type(params.weight_dtype, [&](auto w) { rms_norm_as<Element<decltype(x)>, Element<decltype(w)>>(params); });
  });
}

}  // namespace superinfer::SUPERINFER_ISA
