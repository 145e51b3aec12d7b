// Inner loops of decode attention over one sealed page: scales and zeros are folded into queries and weights, so that a
// code costs no more than its conversion.
#pragma once

#include "superinfer/decode_tiles.h"
#include "superinfer/mixed_block.h"

namespace superinfer::SUPERINFER_ISA {

constexpr int kPageVecs = 2;  // vectors of tokens, or of channels, that a pass sums at once

// scores[h][j] = q[h] . k[j] for the tokens of a page. `scaled` is room for HEADS queries; `ahead` is what to ask for.
template <int HEADS, int BITS>
SUPERINFER_INLINE void score_page(const float* q, int q_stride, const SealedHead& head, const char* ahead, int dim,
                                  float* scaled, float* scores) {
  constexpr int kCodes = 32 / BITS;
  float base[HEADS];
  for (int h = 0; h < HEADS; ++h) {
    Vec sum = set1(0.0f);
    for_each_vec(dim, [&](int64_t d, int lanes) {
      const Vec query = load_n(q + h * q_stride + d, lanes);
      store(scaled + h * q_stride + d, query * scales_at(head, d));
      sum = fma(query, zeros_at(head, d), sum);
    });
    base[h] = reduce_add(sum);
  }
  for (int token = 0; token < kPageTokens; token += kPageVecs * kWidth) {
    Vec sum[HEADS][kPageVecs];
    for (int h = 0; h < HEADS; ++h) {
      for (int i = 0; i < kPageVecs; ++i) sum[h][i] = set1(base[h]);
    }
    for (int row = 0; row < dim / kCodes; ++row) {
      const uint32_t* at = head.words + row * kPageTokens + token;
      prefetch(ahead + (row * kPageTokens + token) * sizeof *at, kPageVecs * kWidth * sizeof *at);
      Words words[kPageVecs];
      for (int i = 0; i < kPageVecs; ++i) words[i] = load_words(at + i * kWidth, kWidth);
      const float* query = scaled + row * kCodes;
#pragma GCC unroll 8
      for (int c = 0; c < kCodes; ++c) {
        Vec key[kPageVecs];
        for (int i = 0; i < kPageVecs; ++i) key[i] = codes<BITS>(words[i], c);
        for (int h = 0; h < HEADS; ++h) {
          const Vec factor = set1(query[h * q_stride + c]);
          for (int i = 0; i < kPageVecs; ++i) sum[h][i] = fma(factor, key[i], sum[h][i]);
        }
      }
    }
    for (int h = 0; h < HEADS; ++h) {
      for (int i = 0; i < kPageVecs; ++i) store(scores + h * kBlock + token + i * kWidth, sum[h][i]);
    }
  }
}

// The weights of a page's tokens times their scales in one group of channels, and the sum of weights times zeros.
template <int HEADS>
SUPERINFER_INLINE void fold_weights(const float* weights, const SealedHead& head, int group, float (*scaled)[kPageTokens],
                                    float* base) {
  for (int h = 0; h < HEADS; ++h) {
    Vec sum = set1(0.0f);
    for (int t = 0; t < kPageTokens; t += kWidth) {
      const Vec weight = load(weights + h * kBlock + t);
      store(scaled[h] + t, weight * scales_at(head, group * kPageTokens + t));
      sum = fma(weight, zeros_at(head, group * kPageTokens + t), sum);
    }
    base[h] = reduce_add(sum);
  }
}

// acc[h] = acc[h] * decay[h] + base[h] + sum over the page of scaled[h][t] * code, for VECS vectors of channels.
template <int HEADS, int VECS, int BITS>
SUPERINFER_INLINE void value_codes(const float (*scaled)[kPageTokens], const float* base, const float* decay,
                                   const uint32_t* words, const char* ahead, int dim, int lanes, float* acc,
                                   int64_t acc_stride) {
  constexpr int kCodes = 32 / BITS;
  Vec sum[HEADS][VECS];
  for (int h = 0; h < HEADS; ++h) {
    for (int i = 0; i < VECS; ++i) sum[h][i] = fma(load(acc + h * acc_stride + i * kWidth), set1(decay[h]), set1(base[h]));
  }
  for (int row = 0; row < kPageTokens / kCodes; ++row) {
    prefetch(ahead + int64_t(row) * dim * sizeof *words, VECS * lanes * sizeof *words);
    Words packed[VECS];
    for (int i = 0; i < VECS; ++i) packed[i] = load_words(words + int64_t(row) * dim + i * kWidth, lanes);
#pragma GCC unroll 8
    for (int c = 0; c < kCodes; ++c) {
      Vec value[VECS];
      for (int i = 0; i < VECS; ++i) value[i] = codes<BITS>(packed[i], c);
      for (int h = 0; h < HEADS; ++h) {
        const Vec weight = set1(scaled[h][row * kCodes + c]);
        for (int i = 0; i < VECS; ++i) sum[h][i] = fma(weight, value[i], sum[h][i]);
      }
    }
  }
  for (int h = 0; h < HEADS; ++h) {
    for (int i = 0; i < VECS; ++i) store(acc + h * acc_stride + i * kWidth, sum[h][i]);
  }
}

// acc[h] = acc[h] * decay[h] + sum over the page's tokens of weight[h][t] * v[t].
template <int HEADS, int BITS>
SUPERINFER_INLINE void value_page(const float* weights, const float* decay, const SealedHead& head, const char* ahead,
                                  int dim, float* acc, int64_t acc_stride) {
  float scaled[HEADS][kPageTokens];
  float base[HEADS];
  for (int begin = 0; begin < dim; begin += kValueGroup) {
    fold_weights<HEADS>(weights, head, begin / kValueGroup, scaled, base);
    const int end = smaller(begin + kValueGroup, dim);
    int d = begin;
    for (; d + kPageVecs * kWidth <= end; d += kPageVecs * kWidth) {
      value_codes<HEADS, kPageVecs, BITS>(scaled, base, decay, head.words + d, ahead + d * sizeof(uint32_t), dim, kWidth,
                                          acc + d, acc_stride);
    }
    for (; d < end; d += kWidth) {
      value_codes<HEADS, 1, BITS>(scaled, base, decay, head.words + d, ahead + d * sizeof(uint32_t), dim,
                                  smaller(kWidth, end - d), acc + d, acc_stride);
    }
  }
}

}  // namespace superinfer::SUPERINFER_ISA
