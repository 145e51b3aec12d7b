// How decode attention cuts the keys of all requests into chunks, and where a chunk leaves its results.
#pragma once

#include "superinfer/elements.h"
#include "superinfer/scratch.h"
#include "superinfer/softmax.h"

namespace superinfer::SUPERINFER_ISA {

// Keys of a chunk. Fixed, so that a request's result does not depend on what else is in the batch.
constexpr int64_t kChunk = 2 * kBlock;

// What one chunk leaves behind for one query head.
struct Partial {
  float* max_score;
  float* sum;
  float* values;
};

class DecodePlan {
 public:
  explicit DecodePlan(const DecodeParams& params)
      : params_(params), stride_(round_up(round_up(params.pool.v_dim, kWidth) + 2, 16)) {}

  // Counts the chunks and reserves room for what they leave. False if out of memory.
  bool prepare(Scratch& scratch, int max_threads) {
    const int64_t requests = params_.batch.requests;
    int64_t keys = 0;
    for (int64_t b = 0; b < requests; ++b) keys += end(b) - begin(b);
    const int64_t multiplications = keys * params_.q_heads * (params_.pool.k_dim + params_.pool.v_dim);
    threads_ = max_threads;
    parallel_ = max_threads > 1 && multiplications >= kParallelMultiplications;
    int64_t chunks = 0;
    for (int64_t b = 0; b < requests; ++b) chunks += chunks_of(b);
    // Four tasks a thread even out what requests of different lengths leave idle.
    head_groups_ = parallel_ && chunks < 4 * max_threads ? params_.pool.heads : 1;
    const int64_t index_floats = round_up(2 * (requests + 1), 16);
    float* memory = scratch.reserve(index_floats + chunks * params_.q_heads * stride_);
    if (memory == nullptr) return false;
    first_chunk_ = reinterpret_cast<int64_t*>(memory);
    partials_ = memory + index_floats;
    first_chunk_[0] = 0;
    for (int64_t b = 0; b < requests; ++b) first_chunk_[b + 1] = first_chunk_[b] + chunks_of(b);
    return true;
  }

  // The first key that the request's query sees, and the end of its keys.
  int64_t begin(int64_t request) const {
    const int64_t window = params_.scores.window;
    return window < 0 ? 0 : larger<int64_t>(0, end(request) - window);
  }
  int64_t end(int64_t request) const { return params_.batch.seq_lens[request]; }

  // Whether the work is worth waking other threads for.
  bool parallel() const { return parallel_; }
  int head_groups() const { return head_groups_; }
  int64_t chunks() const { return first_chunk_[params_.batch.requests]; }

  // How many tasks a thread takes at a time: neighbours, so that it has asked for the keys of its next one; and few, so
  // that threads end together.
  int64_t turn() const { return larger<int64_t>(1, smaller<int64_t>(4, chunks() * head_groups_ / (8 * threads_))); }
  int64_t first_chunk(int64_t request) const { return first_chunk_[request]; }

  int64_t request_of(int64_t chunk) const {
    int64_t low = 0, high = params_.batch.requests;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (first_chunk_[middle] <= chunk ? low : high) = middle;
    }
    return low;
  }

  Partial partial(int64_t chunk, int head) const {
    float* base = partials_ + (chunk * params_.q_heads + head) * stride_;
    return {base + stride_ - 1, base + stride_ - 2, base};
  }
  int64_t partial_stride() const { return stride_; }

 private:
  // At least one: a request without keys leaves an empty partial result.
  int64_t chunks_of(int64_t request) const {
    return larger<int64_t>(1, div_up(end(request) - begin(request), kChunk));
  }

  const DecodeParams& params_;
  int64_t stride_;
  int head_groups_ = 1;
  int threads_ = 1;
  bool parallel_ = false;
  int64_t* first_chunk_ = nullptr;
  float* partials_ = nullptr;
};

}  // namespace superinfer::SUPERINFER_ISA
