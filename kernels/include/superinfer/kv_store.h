// Writes new keys and values into their slots of the pool.
#pragma once

#include "superinfer/elements.h"

namespace superinfer::SUPERINFER_ISA {

template <class From, class To>
SUPERINFER_INLINE void store_token(const Rows& rows, int64_t token, int heads, int dim, To* out) {
  const From* row = static_cast<const From*>(rows.data) + token * rows.token_stride;
  for (int h = 0; h < heads; ++h) {
    const From* x = row + h * rows.head_stride;
    for_each_vec(dim, [&](int64_t d, int lanes) { store_n(out + int64_t(h) * dim + d, load_n(x + d, lanes), lanes); });
  }
}

template <class From, class To>
void kv_store_as(const KvStoreParams& params) {
  const KvPool& pool = params.pool;
  const int64_t k_row = int64_t(pool.heads) * pool.k_dim, v_row = int64_t(pool.heads) * pool.v_dim;
#pragma omp parallel for if (params.tokens * (k_row + v_row) >= kParallelFrom)
  for (int64_t t = 0; t < params.tokens; ++t) {
    const int64_t slot = params.slots[t];
    store_token<From>(params.k, t, pool.heads, pool.k_dim, static_cast<To*>(pool.k) + slot * k_row);
    store_token<From>(params.v, t, pool.heads, pool.v_dim, static_cast<To*>(pool.v) + slot * v_row);
  }
}

inline void kv_store(const KvStoreParams& params) {
  with_type(params.k.dtype, [&](auto from) {
    with_type(params.pool.dtype, [&](auto to) {
      kv_store_as<Element<decltype(from)>, Element<decltype(to)>>(params);
    });
  });
}

}  // namespace superinfer::SUPERINFER_ISA
