// Product with the transpose of a weight matrix, for weights that stay as the model stores them.
//
// Few rows times many outputs: a step reads every weight once, and the arithmetic must keep up with memory. Dot products
// over rows of both operands need neither packing nor a second copy of the weights.
#pragma once

#include "superinfer/elements.h"

namespace superinfer::SUPERINFER_ISA {

// A register tile: sums for this many rows of x times four outputs, beside the operands themselves.
constexpr int kLinearRows = kWidth == 16 ? 6 : kWidth == 8 ? 3 : 2;
constexpr int kLinearOutputs = 4;

// Weights of one thread's turn: they stay in the second-level cache while the rows of x pass by.
constexpr int64_t kLinearChunk = 64;

template <class W, int ROWS>
SUPERINFER_INLINE void linear_tile(const LinearParams& p, const W* weight, int64_t row, int64_t output) {
  const float* x = p.x + row * p.x_stride;
  const W* w = weight + output * p.inputs;
  Vec sum[ROWS][kLinearOutputs];
  for (auto& sums : sum) {
    for (Vec& s : sums) s = set1(0.0f);
  }
  for_each_vec(p.inputs, [&](int64_t k, int lanes) {
    Vec right[kLinearOutputs];
    for (int j = 0; j < kLinearOutputs; ++j) right[j] = load_n(w + j * p.inputs + k, lanes);
    for (int i = 0; i < ROWS; ++i) {
      const Vec left = load_n(x + i * p.x_stride + k, lanes);
      for (int j = 0; j < kLinearOutputs; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  });
  for (int i = 0; i < ROWS; ++i) {
    reduce_add4(sum[i][0], sum[i][1], sum[i][2], sum[i][3], p.out + (row + i) * p.out_stride + output);
  }
}

template <class W>
SUPERINFER_INLINE void linear_dot(const LinearParams& p, const W* weight, int64_t row, int64_t output) {
  Vec sum = set1(0.0f);
  for_each_vec(p.inputs, [&](int64_t k, int lanes) {
    sum = fma(load_n(p.x + row * p.x_stride + k, lanes), load_n(weight + output * p.inputs + k, lanes), sum);
  });
  p.out[row * p.out_stride + output] = reduce_add(sum);
}

template <class W>
SUPERINFER_INLINE void linear_chunk(const LinearParams& p, const W* weight, int64_t begin, int64_t end) {
  int64_t output = begin;
  for (; output + kLinearOutputs <= end; output += kLinearOutputs) {
    int64_t row = 0;
    for (; row + kLinearRows <= p.rows; row += kLinearRows) linear_tile<W, kLinearRows>(p, weight, row, output);
    for (; row + 2 <= p.rows; row += 2) linear_tile<W, 2>(p, weight, row, output);
    for (; row < p.rows; ++row) linear_tile<W, 1>(p, weight, row, output);
  }
  for (; output < end; ++output) {
    for (int64_t row = 0; row < p.rows; ++row) linear_dot(p, weight, row, output);
  }
}

inline void linear(const LinearParams& params) {
  with_type(params.weight_dtype, [&](auto typed) {
    using W = std::remove_cv_t<std::remove_pointer_t<decltype(typed)>>;
    const W* weight = static_cast<const W*>(params.weight);
    const int64_t chunks = div_up(params.outputs, kLinearChunk);
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < chunks; ++c) {
      linear_chunk(params, weight, c * kLinearChunk, smaller((c + 1) * kLinearChunk, params.outputs));
    }
  });
}

}  // namespace superinfer::SUPERINFER_ISA
