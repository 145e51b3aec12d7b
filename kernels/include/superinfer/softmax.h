// Softmax over a row of scores that arrives block by block.
#pragma once

#include "superinfer/params.h"
#include "superinfer/simd.h"

namespace superinfer::SUPERINFER_ISA {

constexpr int kBlock = 64;          // keys handled at a time
constexpr float kMasked = -1e30f;  // far below any score, and finite: the difference of two is not a NaN

SUPERINFER_INLINE float exp1(float x) {
  float lanes[kWidth];
  store(lanes, exp(set1(x)));
  return lanes[0];
}

SUPERINFER_INLINE void fill(float* p, int begin, int end, float value) {
  for (int i = begin; i < end; ++i) p[i] = value;
}

SUPERINFER_INLINE void cap_scores(float* scores, float cap) {
  const Vec limit = set1(cap);
  for (int i = 0; i < kBlock; i += kWidth) store(scores + i, limit * tanh(load(scores + i) / limit));
}

// Replaces scores[begin, end) by weights e^(score - max) and the rest of the block by zeros. Updates the
// running maximum and sum, and returns the factor which the values accumulated so far must be scaled by.
SUPERINFER_INLINE float softmax_block(float* scores, int begin, int end, float cap, float& max_score, float& sum) {
  if (begin >= end) {
    fill(scores, 0, kBlock, 0.0f);
    return 1.0f;
  }
  if (cap > 0.0f) cap_scores(scores, cap);
  fill(scores, 0, begin, kMasked);
  fill(scores, end, kBlock, kMasked);
  Vec top = load(scores);
  for (int i = kWidth; i < kBlock; i += kWidth) top = max(top, load(scores + i));
  const float new_max = larger(reduce_max(top), max_score);
  Vec total = set1(0.0f);
  for (int i = 0; i < kBlock; i += kWidth) {
    const Vec weight = exp(load(scores + i) - set1(new_max));
    store(scores + i, weight);
    total = total + weight;
  }
  fill(scores, 0, begin, 0.0f);
  fill(scores, end, kBlock, 0.0f);
  const float decay = exp1(max_score - new_max);
  sum = sum * decay + reduce_add(total);
  max_score = new_max;
  return decay;
}

}  // namespace superinfer::SUPERINFER_ISA
