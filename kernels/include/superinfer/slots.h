// Finding a block of keys in the pool.
#pragma once

#include "superinfer/elements.h"
#include "superinfer/softmax.h"

namespace superinfer::SUPERINFER_ISA {

// The K and V rows (all heads) of up to kBlock consecutive positions.
template <class T>
struct KeyBlock {
  const T* k[kBlock];
  const T* v[kBlock];
  int count;
};

// Fills `block` with positions [begin, begin + count) of a request. Rows beyond `count` repeat the last one,
// so that kernels may read whole groups. False if a slot lies outside the pool.
template <class T>
SUPERINFER_INLINE bool find_keys(const KvPool& pool, const int32_t* slots, int64_t begin, int count, KeyBlock<T>& block) {
  const int64_t k_row = int64_t(pool.heads) * pool.k_dim;
  const int64_t v_row = int64_t(pool.heads) * pool.v_dim;
  block.count = count;
  for (int j = 0; j < kBlock; ++j) {
    const int64_t slot = slots[begin + smaller(j, count - 1)];
    if (slot < 0 || slot >= pool.slots) return false;
    block.k[j] = static_cast<const T*>(pool.k) + slot * k_row;
    block.v[j] = static_cast<const T*>(pool.v) + slot * v_row;
  }
  return true;
}

constexpr int kCacheLine = 64;

SUPERINFER_INLINE void prefetch(const void* begin, int64_t bytes) {
  const char* p = static_cast<const char*>(begin);
  for (int64_t i = 0; i < bytes; i += kCacheLine) __builtin_prefetch(p + i, 0, 2);
}

// Converts vectors of one token to fp32 times `factor`, each padded with zeros to `padded` floats.
SUPERINFER_INLINE void load_heads(const Rows& rows, int64_t token, int first_head, int heads, int dim, int padded,
                                  float factor, float* out) {
  with_type(rows.dtype, [&](auto type) {
    const auto* row = static_cast<decltype(type)>(rows.data) + token * rows.token_stride;
    for (int h = 0; h < heads; ++h) {
      const auto* x = row + (first_head + h) * rows.head_stride;
      for_each_vec(dim, [&](int64_t d, int lanes) {
        store(out + h * padded + d, load_n(x + d, lanes) * set1(factor));
      });
    }
  });
}

// Writes `factor * values` as one vector of the output.
SUPERINFER_INLINE void store_head(const Rows& rows, int64_t token, int head, int dim, const float* values, float factor) {
  with_type(rows.dtype, [&](auto type) {
    using T = Element<decltype(type)>;
    T* out = static_cast<T*>(rows.data) + token * rows.token_stride + head * rows.head_stride;
    for_each_vec(dim, [&](int64_t d, int lanes) { store_n(out + d, load(values + d) * set1(factor), lanes); });
  });
}

}  // namespace superinfer::SUPERINFER_ISA
