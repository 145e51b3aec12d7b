// Rows of a packed weight: what an embedding reads from the table that the output layer multiplies by.
#pragma once

#include "superinfer/elements.h"

namespace superinfer::SUPERINFER_ISA {

// A row's numbers lie kPanel apart: nearly as many cache lines as numbers, and many of them under way at a time.
template <class W>
SUPERINFER_INLINE void unpack_row(const UnpackRowsParams& p, int64_t row, float* out) {
  const W* from = static_cast<const W*>(p.weight) + row / kPanel * p.inputs * kPanel + row % kPanel;
  for (int64_t i = 0; i < p.inputs; ++i) out[i] = to_float(from[i * kPanel]);
}

inline void unpack_rows(const UnpackRowsParams& params) {
  with_type(params.weight_dtype, [&](auto typed) {
    using W = Element<decltype(typed)>;
#pragma omp parallel for if (params.count * params.inputs >= kParallelFrom)
    for (int64_t i = 0; i < params.count; ++i) {
      unpack_row<W>(params, params.rows[i], params.out + i * params.out_stride);
    }
  });
}

}  // namespace superinfer::SUPERINFER_ISA
