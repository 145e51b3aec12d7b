// Bindings of the kernels that touch the KV pool.
#include <tvm/ffi/function.h>

#include "bindings.h"
#include "checks.h"
#include "dispatch.h"

namespace superinfer {

void raise_if_failed(Status status) {
  SUPERINFER_CHECK(status != Status::kBadSlot, "req_to_token names a slot outside the KV cache");
  if (status == Status::kOutOfMemory) TVM_FFI_THROW(MemoryError) << "no memory for the attention kernel's scratch";
}

namespace {

Batch batch_of(const TensorView& req_to_token, const TensorView& rows, const TensorView& seq_lens) {
  check_tensor(req_to_token, "req_to_token", 2);
  check_dense(req_to_token, "req_to_token", 1, 1);
  const DLDataType type = req_to_token.dtype();
  if (type.code != kDLInt || type.bits != 32) TVM_FFI_THROW(TypeError) << "req_to_token must be int32";
  const int64_t requests = rows.numel();
  const int64_t* row = integers<int64_t>(rows, "rows", requests);
  const int64_t* len = integers<int64_t>(seq_lens, "seq_lens", requests);
  check_range(row, requests, "rows", req_to_token.size(0));
  check_range(len, requests, "seq_lens", req_to_token.size(1) + 1);
  return {requests, static_cast<const int32_t*>(req_to_token.data_ptr()), req_to_token.stride(0), row, len};
}

Rows queries_of(const TensorView& q, const KvPool& pool) {
  const Rows rows = rows_of(q, "q");
  check_size(q, "q", 2, pool.k_dim);
  SUPERINFER_CHECK(q.size(1) > 0 && q.size(1) % pool.heads == 0,
                   "q must have a multiple of the cache's " << pool.heads << " heads, not " << q.size(1));
  return rows;
}

Rows outputs_of(const TensorView& out, const TensorView& q, const KvPool& pool) {
  const Rows rows = rows_of(out, "out");
  check_size(out, "out", 0, q.size(0));
  check_size(out, "out", 1, q.size(1));
  check_size(out, "out", 2, pool.v_dim);
  return rows;
}

Scores scores_of(double scale, double logit_cap, int64_t window) {
  SUPERINFER_CHECK(logit_cap >= 0, "logit_cap must be 0 (none) or positive, not " << logit_cap);
  SUPERINFER_CHECK(window != 0, "window must be negative (none) or at least 1");
  return {float(scale), float(logit_cap), window};
}

void check_requests(const ExtendParams& params, int64_t tokens) {
  int64_t next = 0;
  for (int64_t b = 0; b < params.batch.requests; ++b) {
    const int64_t prefix = params.prefix_lens[b], queries = params.batch.seq_lens[b] - prefix;
    SUPERINFER_CHECK(prefix >= 0 && queries >= 0,
                     "prefix_lens[" << b << "] is " << prefix << ", must be at least 0 and at most seq_lens");
    SUPERINFER_CHECK(params.qo_indptr[b] == next, "qo_indptr[" << b << "] is " << params.qo_indptr[b] << ", must be "
                                                               << next << ": the queries of the requests before");
    next += queries;
  }
  SUPERINFER_CHECK(params.qo_indptr[params.batch.requests] == next && next == tokens,
                   "q has " << tokens << " tokens, the requests have " << next);
}

}  // namespace

DecodeParams decode_params(const KvPool& pool, const TensorView& q, const TensorView& req_to_token,
                           const TensorView& rows, const TensorView& seq_lens, const TensorView& out, double scale,
                           double logit_cap, int64_t window) {
  DecodeParams params;
  params.pool = pool;
  params.q = queries_of(q, params.pool);
  params.out = outputs_of(out, q, params.pool);
  params.q_heads = int(q.size(1));
  params.batch = batch_of(req_to_token, rows, seq_lens);
  params.scores = scores_of(scale, logit_cap, window);
  check_size(q, "q", 0, params.batch.requests);
  return params;
}

ExtendParams extend_params(const KvPool& pool, const TensorView& q, const TensorView& req_to_token,
                           const TensorView& rows, const TensorView& seq_lens, const TensorView& prefix_lens,
                           const TensorView& qo_indptr, const TensorView& out, double scale, bool causal,
                           double logit_cap, int64_t window) {
  ExtendParams params;
  params.pool = pool;
  params.q = queries_of(q, params.pool);
  params.out = outputs_of(out, q, params.pool);
  params.q_heads = int(q.size(1));
  params.batch = batch_of(req_to_token, rows, seq_lens);
  params.prefix_lens = integers<int64_t>(prefix_lens, "prefix_lens", params.batch.requests);
  params.qo_indptr = integers<int64_t>(qo_indptr, "qo_indptr", params.batch.requests + 1);
  params.scores = scores_of(scale, logit_cap, window);
  params.causal = causal;
  SUPERINFER_CHECK(causal || window < 0, "a window needs causal attention");
  check_requests(params, q.size(0));
  return params;
}

void decode_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView req_to_token, TensorView rows,
                      TensorView seq_lens, TensorView out, double scale, double logit_cap, int64_t window) {
  const KvPool pool = pool_of(k_cache, v_cache);
  raise_if_failed(kernels().decode_attention(
      decode_params(pool, q, req_to_token, rows, seq_lens, out, scale, logit_cap, window)));
}

void extend_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView req_to_token, TensorView rows,
                      TensorView seq_lens, TensorView prefix_lens, TensorView qo_indptr, TensorView out, double scale,
                      bool causal, double logit_cap, int64_t window) {
  const KvPool pool = pool_of(k_cache, v_cache);
  raise_if_failed(kernels().extend_attention(extend_params(pool, q, req_to_token, rows, seq_lens, prefix_lens, qo_indptr,
                                                           out, scale, causal, logit_cap, window)));
}

void kv_store(TensorView k, TensorView v, TensorView k_cache, TensorView v_cache, TensorView loc) {
  KvStoreParams params;
  params.pool = pool_of(k_cache, v_cache);
  params.k = rows_of(k, "k");
  params.v = rows_of(v, "v");
  params.tokens = k.size(0);
  check_same_dtype(params.k.dtype, "k", params.v.dtype, "v");
  check_size(k, "k", 1, params.pool.heads);
  check_size(k, "k", 2, params.pool.k_dim);
  check_size(v, "v", 0, params.tokens);
  check_size(v, "v", 1, params.pool.heads);
  check_size(v, "v", 2, params.pool.v_dim);
  params.slots = integers<int64_t>(loc, "loc", params.tokens);
  check_range(params.slots, params.tokens, "loc", params.pool.slots);
  kernels().kv_store(params);
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(decode_attention, decode_attention);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(extend_attention, extend_attention);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(kv_store, kv_store);

}  // namespace superinfer
