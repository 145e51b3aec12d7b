// Attention of a step that computes prompts and lets running requests decode beside them.
//
// SGLang puts the running ones last. Extend attention packs keys for many queries; for a single one that costs four
// times as much as decode attention, which reads each key once where it lies.
#pragma once

#include "superinfer/decode.h"
#include "superinfer/extend.h"

namespace superinfer::SUPERINFER_ISA {

// The first of the requests at the end that have one query each; the number of requests if there are none.
inline int64_t first_decoding(const ExtendParams& params) {
  int64_t request = params.batch.requests;
  while (request > 0 && params.qo_indptr[request] - params.qo_indptr[request - 1] == 1) --request;
  return request;
}

inline Rows rows_from(const Rows& rows, int64_t token) {
  void* data = static_cast<char*>(rows.data) + token * rows.token_stride * bytes_of(rows.dtype);
  return {data, rows.dtype, rows.token_stride, rows.head_stride};
}

inline Batch batch_from(const Batch& batch, int64_t request) {
  return {batch.requests - request, batch.slot_table, batch.table_stride, batch.rows + request,
          batch.seq_lens + request};
}

inline Status mixed_step_attention(const ExtendParams& params) {
  // Without causality a query sees all keys, as in decoding; such calls have no running requests, and stay as they are.
  const int64_t split = params.causal ? first_decoding(params) : params.batch.requests;
  ExtendParams prompts = params;
  prompts.batch.requests = split;
  const Status status = split > 0 ? extend_attention(prompts) : Status::kOk;
  if (status != Status::kOk || split == params.batch.requests) return status;
  const int64_t token = params.qo_indptr[split];
  return decode_attention({rows_from(params.q, token), rows_from(params.out, token), params.q_heads, params.pool,
                           batch_from(params.batch, split), params.scores});
}

}  // namespace superinfer::SUPERINFER_ISA
