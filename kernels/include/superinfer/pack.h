// Copies a block of keys and values out of the pool, in fp32 and in the order in which products read them.
#pragma once

#include "superinfer/slots.h"

namespace superinfer::SUPERINFER_ISA {

typedef float Quad __attribute__((vector_size(16)));
typedef int32_t QuadIndex __attribute__((vector_size(16)));

SUPERINFER_INLINE Quad load_quad(const float* p) {
  Quad quad;
  std::memcpy(&quad, p, sizeof quad);
  return quad;
}

// The first and the second halves of two quads, their numbers alternating.
SUPERINFER_INLINE Quad interleave_low(Quad a, Quad b) { return __builtin_shuffle(a, b, QuadIndex{0, 4, 1, 5}); }
SUPERINFER_INLINE Quad interleave_high(Quad a, Quad b) { return __builtin_shuffle(a, b, QuadIndex{2, 6, 3, 7}); }

// to[d][j] = from[j][d] for a square of four.
SUPERINFER_INLINE void transpose_quad(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  const Quad a = load_quad(from), b = load_quad(from + from_stride);
  const Quad c = load_quad(from + 2 * from_stride), d = load_quad(from + 3 * from_stride);
  const Quad ac_low = interleave_low(a, c), ac_high = interleave_high(a, c);
  const Quad bd_low = interleave_low(b, d), bd_high = interleave_high(b, d);
  const Quad columns[4] = {interleave_low(ac_low, bd_low), interleave_high(ac_low, bd_low),
                           interleave_low(ac_high, bd_high), interleave_high(ac_high, bd_high)};
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * to_stride, &columns[i], sizeof columns[i]);
}

template <class T>
SUPERINFER_INLINE void widen_row(const T* from, int dim, float* to) {
  for_each_vec(dim, [&](int64_t d, int lanes) { store_n(to + d, load_n(from + d, lanes), lanes); });
}

// keys[d][j] = K of the block's j-th position from `begin` to `end`, whole fours; the columns beyond the block repeat its
// last position. `rows` is room for four rows. dim is a multiple of 4.
template <class T>
SUPERINFER_INLINE void pack_keys(const KeyBlock<T>& block, int64_t offset, int dim, float* rows, float* keys,
                                 int begin = 0, int end = kBlock) {
  for (int j = begin; j < end; j += 4) {
    for (int i = 0; i < 4; ++i) widen_row(block.k[j + i] + offset, dim, rows + i * dim);
    for (int d = 0; d < dim; d += 4) transpose_quad(rows + d, dim, keys + d * kBlock + j, kBlock);
  }
}

// values[j][d] = V of the block's j-th position from `begin` to `end`, padded with zeros to `stride` columns.
template <class T>
SUPERINFER_INLINE void pack_values(const KeyBlock<T>& block, int64_t offset, int dim, int stride, float* values,
                                   int begin = 0, int end = kBlock) {
  for (int j = begin; j < smaller(end, block.count); ++j) {
    for_each_vec(dim, [&](int64_t d, int lanes) {
      store(values + j * stride + d, load_n(block.v[j] + offset + d, lanes));
    });
  }
}

}  // namespace superinfer::SUPERINFER_ISA
