// Decode attention: one query token for each request, over the paged KV pool.
//
// The keys of every request are cut into chunks of one size, so that a single long request still occupies all cores. A
// chunk leaves partial results (running maximum, sum, weighted values) for each head; these are then merged.
#pragma once

#include <omp.h>

#include <atomic>

#include "superinfer/decode_plan.h"
#include "superinfer/decode_tiles.h"

namespace superinfer::SUPERINFER_ISA {

// One block of keys for HEADS query heads that share a KV head.
template <int HEADS, class T>
SUPERINFER_INLINE void decode_heads(const DecodeParams& params, const KeyBlock<T>& block, const KeyBlock<T>& next,
                                    int kv_head, const float* q, int q_stride, Partial state, int64_t state_stride) {
  const KvPool& pool = params.pool;
  float scores[HEADS * kBlock];
  float decay[HEADS];
  score_tile<HEADS>(q, q_stride, block, next, int64_t(kv_head) * pool.k_dim, pool.k_dim, scores);
  for (int h = 0; h < HEADS; ++h) {
    decay[h] = softmax_block(scores + h * kBlock, 0, block.count, params.scores.logit_cap,
                             state.max_score[h * state_stride], state.sum[h * state_stride]);
  }
  value_tiles<HEADS>(scores, decay, block, next, int64_t(kv_head) * pool.v_dim, pool.v_dim, state.values, state_stride);
}

template <class T>
void decode_block(const DecodeParams& params, const DecodePlan& plan, const KeyBlock<T>& block, const KeyBlock<T>& next,
                  int64_t chunk, int kv_head, const float* q, int q_stride) {
  const int group = params.q_heads / params.pool.heads;
  const int64_t stride = plan.partial_stride();
  for (int h = 0; h < group; h += kHeadTile) {
    const Partial state = plan.partial(chunk, kv_head * group + h);
    const float* query = q + h * q_stride;
    switch (smaller(kHeadTile, group - h)) {
      case 1:
        decode_heads<1>(params, block, next, kv_head, query, q_stride, state, stride);
        break;
      case 2:
        decode_heads<2>(params, block, next, kv_head, query, q_stride, state, stride);
        break;
      case 3:
        decode_heads<3>(params, block, next, kv_head, query, q_stride, state, stride);
        break;
      default:
        decode_heads<kHeadTile>(params, block, next, kv_head, query, q_stride, state, stride);
    }
  }
}

inline void clear_partials(const DecodePlan& plan, int64_t chunk, int first_head, int heads, int v_dim) {
  for (int h = first_head; h < first_head + heads; ++h) {
    const Partial state = plan.partial(chunk, h);
    *state.max_score = kMasked;
    *state.sum = 0.0f;
    for (int d = 0; d < v_dim; d += kWidth) store(state.values + d, set1(0.0f));
  }
}

// The keys that a chunk reads: its request's, and from where to where.
struct ChunkKeys {
  int64_t request, begin, end;
  const int32_t* slots;

  ChunkKeys(const DecodeParams& params, const DecodePlan& plan, int64_t chunk) : request(plan.request_of(chunk)) {
    slots = params.batch.slot_table + params.batch.rows[request] * params.batch.table_stride;
    begin = plan.begin(request) + (chunk - plan.first_chunk(request)) * kChunk;
    end = smaller(begin + kChunk, plan.end(request));
  }

  template <class T>
  bool find(const KvPool& pool, int64_t position, KeyBlock<T>& block) const {
    return find_keys(pool, slots, position, int(smaller<int64_t>(kBlock, end - position)), block);
  }
};

// The block that is likely needed after the last one of `chunk`; `block` itself if there is none.
template <class T>
KeyBlock<T> first_block_after(const DecodeParams& params, const DecodePlan& plan, int64_t chunk,
                              const KeyBlock<T>& block) {
  if (chunk + 1 >= plan.chunks()) return block;
  const ChunkKeys keys(params, plan, chunk + 1);
  KeyBlock<T> next;
  return keys.begin < keys.end && keys.find(params.pool, keys.begin, next) ? next : block;
}

// One chunk of one request, for the KV heads [first_head, first_head + heads).
template <class T>
Status decode_chunk(const DecodeParams& params, const DecodePlan& plan, int64_t chunk, int first_head, int heads,
                    Scratch& scratch) {
  const KvPool& pool = params.pool;
  const int group = params.q_heads / pool.heads;
  const int q_stride = int(round_up(pool.k_dim, kWidth));
  const ChunkKeys keys(params, plan, chunk);
  float* q = scratch.reserve(int64_t(heads) * group * q_stride);
  if (q == nullptr) return Status::kOutOfMemory;
  load_heads(params.q, keys.request, first_head * group, heads * group, pool.k_dim, q_stride, params.scores.scale, q);
  clear_partials(plan, chunk, first_head * group, heads * group, pool.v_dim);
  KeyBlock<T> block, next;
  if (keys.begin < keys.end && !keys.find(pool, keys.begin, block)) return Status::kBadSlot;
  for (int64_t position = keys.begin; position < keys.end; position += kBlock, block = next) {
    if (position + kBlock >= keys.end) {
      next = first_block_after(params, plan, chunk, block);
    } else if (!keys.find(pool, position + kBlock, next)) {
      return Status::kBadSlot;
    }
    for (int h = 0; h < heads; ++h) {
      decode_block(params, plan, block, next, chunk, first_head + h, q + int64_t(h) * group * q_stride, q_stride);
    }
  }
  return Status::kOk;
}

// Joins what the chunks of a request left for one head; no keys at all give zeros.
inline void decode_merge(const DecodeParams& params, const DecodePlan& plan, int64_t request, int head) {
  const int dim = params.pool.v_dim;
  const int64_t first = plan.first_chunk(request), last = plan.first_chunk(request + 1);
  const Partial total = plan.partial(first, head);
  for (int64_t chunk = first + 1; chunk < last; ++chunk) {
    const Partial part = plan.partial(chunk, head);
    const float max_score = larger(*total.max_score, *part.max_score);
    const float old_factor = exp1(*total.max_score - max_score), new_factor = exp1(*part.max_score - max_score);
    *total.max_score = max_score;
    *total.sum = *total.sum * old_factor + *part.sum * new_factor;
    for (int d = 0; d < dim; d += kWidth) {
      store(total.values + d, fma(load(total.values + d), set1(old_factor), load(part.values + d) * set1(new_factor)));
    }
  }
  store_head(params.out, request, head, dim, total.values, *total.sum == 0.0f ? 0.0f : 1.0f / *total.sum);
}

// Runs chunk(plan, chunk, first_head, heads, scratch) over all chunks, and merges what they leave.
template <class Chunk>
Status decode_chunks(const DecodeParams& params, Chunk chunk) {
  static thread_local Scratch results, worker;
  DecodePlan plan(params);
  if (!plan.prepare(results, omp_get_max_threads())) return Status::kOutOfMemory;
  const int groups = plan.head_groups(), heads = params.pool.heads / groups;
  const int64_t tasks = plan.chunks() * groups;
  const int64_t outputs = params.batch.requests * params.q_heads;
  std::atomic<Status> status{Status::kOk};
#pragma omp parallel if (plan.parallel())
  {
#pragma omp for schedule(dynamic, plan.turn())
    for (int64_t task = 0; task < tasks; ++task) {
      const int first_head = int(task % groups) * heads;
      const Status result = chunk(plan, task / groups, first_head, heads, worker);
      if (result != Status::kOk) status.store(result, std::memory_order_relaxed);
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < outputs; ++i) {
      decode_merge(params, plan, i / params.q_heads, int(i % params.q_heads));
    }
  }
  return status.load();
}

inline Status decode_attention(const DecodeParams& params) {
  Status status = Status::kOk;
  with_type(params.pool.dtype, [&](auto type) {
    status = decode_chunks(params, [&](const DecodePlan& plan, int64_t chunk, int first_head, int heads, Scratch& scratch) {
      return decode_chunk<Element<decltype(type)>>(params, plan, chunk, first_head, heads, scratch);
    });
  });
  return status;
}

}  // namespace superinfer::SUPERINFER_ISA
