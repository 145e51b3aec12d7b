// Rotary position embedding, in place.
#pragma once

#include "superinfer/elements.h"

namespace superinfer::SUPERINFER_ISA {

// Rotates the pairs (x[i], x[i + half]).
template <class T>
SUPERINFER_INLINE void rotate_halves(T* x, const float* cos, const float* sin, int half) {
  for_each_vec(half, [&](int64_t i, int lanes) {
    const Vec c = load_n(cos + i, lanes), s = load_n(sin + i, lanes);
    const Vec a = load_n(x + i, lanes), b = load_n(x + half + i, lanes);
    store_n(x + i, a * c - b * s, lanes);
    store_n(x + half + i, b * c + a * s, lanes);
  });
}

// Rotates the pairs (x[2i], x[2i + 1]).
template <class T>
SUPERINFER_INLINE void rotate_neighbours(T* x, const float* cos, const float* sin, int half) {
  for (int i = 0; i < half; ++i) {
    const float a = to_float(x[2 * i]), b = to_float(x[2 * i + 1]);
    x[2 * i] = from_float<T>(a * cos[i] - b * sin[i]);
    x[2 * i + 1] = from_float<T>(b * cos[i] + a * sin[i]);
  }
}

template <class T>
SUPERINFER_INLINE void rope_token(const RopeParams& params, const Rows& rows, int heads, int64_t token) {
  const int half = params.rotary_dim / 2;
  const float* cos = params.cos_sin + params.positions[token] * params.rotary_dim;
  T* row = static_cast<T*>(rows.data) + token * rows.token_stride;
  for (int h = 0; h < heads; ++h) {
    T* x = row + h * rows.head_stride;
    if (params.interleaved) {
      rotate_neighbours(x, cos, cos + half, half);
    } else {
      rotate_halves(x, cos, cos + half, half);
    }
  }
}

template <class T>
void rope_as(const RopeParams& params) {
  const int64_t numbers = params.tokens * (params.q_heads + params.k_heads) * params.rotary_dim;
#pragma omp parallel for if (numbers >= kParallelFrom)
  for (int64_t t = 0; t < params.tokens; ++t) {
    rope_token<T>(params, params.q, params.q_heads, t);
    rope_token<T>(params, params.k, params.k_heads, t);
  }
}

inline void rope(const RopeParams& params) {
  with_type(params.q.dtype, [&](auto type) { rope_as<Element<decltype(type)>>(params); });
}

}  // namespace superinfer::SUPERINFER_ISA
