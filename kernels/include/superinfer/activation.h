// The gated activation of a feed-forward layer: silu(gate) * up.
#pragma once

#include "superinfer/elements.h"

namespace superinfer::SUPERINFER_ISA {

SUPERINFER_INLINE Vec silu(Vec x) { return x / (set1(1.0f) + exp(set1(0.0f) - x)); }

template <class T>
void silu_and_mul_as(const SiluMulParams& params) {
  const int64_t width = params.width;
#pragma omp parallel for if (params.tokens * width >= kParallelFrom)
  for (int64_t t = 0; t < params.tokens; ++t) {
    const T* gate = static_cast<const T*>(params.x) + t * params.x_stride;
    T* out = static_cast<T*>(params.out) + t * params.out_stride;
    for_each_vec(width, [&](int64_t i, int lanes) {
      store_n(out + i, silu(load_n(gate + i, lanes)) * load_n(gate + width + i, lanes), lanes);
    });
  }
}

inline void silu_and_mul(const SiluMulParams& params) {
  with_type(params.dtype, [&](auto type) { silu_and_mul_as<Element<decltype(type)>>(params); });
}

}  // namespace superinfer::SUPERINFER_ISA
