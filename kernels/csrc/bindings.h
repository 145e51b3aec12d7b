// The bound functions, for those that are made of others.
#pragma once

#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/optional.h>

#include "checks.h"

namespace superinfer {

// What attention takes, checked, over a pool that the caller has checked.
DecodeParams decode_params(const KvPool& pool, const TensorView& q, const TensorView& req_to_token,
                           const TensorView& rows, const TensorView& seq_lens, const TensorView& out, double scale,
                           double logit_cap, int64_t window);
ExtendParams extend_params(const KvPool& pool, const TensorView& q, const TensorView& req_to_token,
                           const TensorView& rows, const TensorView& seq_lens, const TensorView& prefix_lens,
                           const TensorView& qo_indptr, const TensorView& out, double scale, bool causal,
                           double logit_cap, int64_t window);
void raise_if_failed(Status status);

void decode_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView req_to_token, TensorView rows,
                      TensorView seq_lens, TensorView out, double scale, double logit_cap, int64_t window);
void extend_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView req_to_token, TensorView rows,
                      TensorView seq_lens, TensorView prefix_lens, TensorView qo_indptr, TensorView out, double scale,
                      bool causal, double logit_cap, int64_t window);
void kv_store(TensorView k, TensorView v, TensorView k_cache, TensorView v_cache, TensorView loc);
void mixed_decode_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView slots,
                            TensorView req_to_token, TensorView rows, TensorView seq_lens, TensorView out, double scale,
                            double logit_cap);
void mixed_extend_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView slots,
                            TensorView req_to_token, TensorView rows, TensorView seq_lens, TensorView prefix_lens,
                            TensorView qo_indptr, TensorView out, double scale, bool causal, double logit_cap);
void packed_linear(TensorView x, TensorView weight, tvm::ffi::Optional<TensorView> bias, TensorView out,
                   bool accumulate);
void rms_norm(TensorView x, TensorView weight, TensorView out, double eps);
void rope(TensorView q, TensorView k, TensorView positions, TensorView cos_sin, bool interleaved);
void silu_and_mul(TensorView x, TensorView out);

}  // namespace superinfer
