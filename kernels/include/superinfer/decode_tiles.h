// Inner loops of decode attention: a few query heads against a block of keys that stay where they are.
#pragma once

#include "superinfer/slots.h"

namespace superinfer::SUPERINFER_ISA {

constexpr int kHeadTile = 4;  // query heads that share one reading of a key
constexpr int kKeyTile = 4;   // keys read together: as many independent streams from memory

// scores[h][j] = q[h] . k[j] for HEADS heads and the keys of a block, rounded up to whole key tiles. The keys of `next`
// are asked for on the way, a few at a time: all at once they would wait for each other, and the sums for them.
template <int HEADS, class T>
SUPERINFER_INLINE void score_tile(const float* q, int q_stride, const KeyBlock<T>& block, const KeyBlock<T>& next,
                                  int64_t offset, int dim, float* scores) {
  for (int j = 0; j < block.count; j += kKeyTile) {
    const T* k[kKeyTile];
    for (int i = 0; i < kKeyTile; ++i) {
      k[i] = block.k[j + i] + offset;
      prefetch(next.k[j + i] + offset, dim * sizeof(T));
    }
    Vec sum[HEADS][kKeyTile];
    for (int h = 0; h < HEADS; ++h) {
      for (int i = 0; i < kKeyTile; ++i) sum[h][i] = set1(0.0f);
    }
    for_each_vec(dim, [&](int64_t d, int lanes) {
      Vec key[kKeyTile];
      for (int i = 0; i < kKeyTile; ++i) key[i] = load_n(k[i] + d, lanes);
      for (int h = 0; h < HEADS; ++h) {
        const Vec query = load(q + h * q_stride + d);
        for (int i = 0; i < kKeyTile; ++i) sum[h][i] = fma(query, key[i], sum[h][i]);
      }
    });
    for (int h = 0; h < HEADS; ++h) {
      reduce_add4(sum[h][0], sum[h][1], sum[h][2], sum[h][3], scores + h * kBlock + j);
    }
  }
}

// acc[h] = acc[h] * decay[h] + sum over the block's keys of weight[h][j] * v[j], for VECS vectors of columns.
template <int HEADS, int VECS, class T>
SUPERINFER_INLINE void value_tile(const float* weights, const float* decay, const KeyBlock<T>& block,
                                  const KeyBlock<T>& next, int64_t offset, int lanes, float* acc, int64_t acc_stride) {
  Vec sum[HEADS][VECS];
  for (int h = 0; h < HEADS; ++h) {
    for (int c = 0; c < VECS; ++c) sum[h][c] = load(acc + h * acc_stride + c * kWidth) * set1(decay[h]);
  }
  for (int j = 0; j < block.count; ++j) {
    const T* v = block.v[j] + offset;
    prefetch(next.v[j] + offset, VECS * lanes * sizeof(T));
    for (int c = 0; c < VECS; ++c) {
      const Vec value = VECS == 1 ? load_n(v, lanes) : load(v + c * kWidth);
      for (int h = 0; h < HEADS; ++h) sum[h][c] = fma(set1(weights[h * kBlock + j]), value, sum[h][c]);
    }
  }
  for (int h = 0; h < HEADS; ++h) {
    for (int c = 0; c < VECS; ++c) store(acc + h * acc_stride + c * kWidth, sum[h][c]);
  }
}

template <int HEADS, class T>
SUPERINFER_INLINE void value_tiles(const float* weights, const float* decay, const KeyBlock<T>& block,
                                   const KeyBlock<T>& next, int64_t offset, int dim, float* acc, int64_t acc_stride) {
  constexpr int kVecs = kWidth == 16 ? 4 : 2;
  int d = 0;
  for (; d + kVecs * kWidth <= dim; d += kVecs * kWidth) {
    value_tile<HEADS, kVecs>(weights, decay, block, next, offset + d, kWidth, acc + d, acc_stride);
  }
  for (; d < dim; d += kWidth) {
    value_tile<HEADS, 1>(weights, decay, block, next, offset + d, smaller(kWidth, dim - d), acc + d, acc_stride);
  }
}

}  // namespace superinfer::SUPERINFER_ISA
