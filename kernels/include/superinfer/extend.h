// Extend (prefill) attention: several query tokens for each request, over the paged KV pool.
//
// A task is a block of queries of one request with all query heads of one KV head: these rows share every
// key. Keys pass by in blocks, packed once for all rows. Keys before the first query are read from the pool,
// never computed again.
#pragma once

#include <omp.h>

#include <atomic>

#include "superinfer/gemm.h"
#include "superinfer/pack.h"
#include "superinfer/scratch.h"

namespace superinfer::SUPERINFER_ISA {

// Row r of a task is query head (r % group) of the task's query (r / group).
struct ExtendTask {
  int64_t request;
  int64_t first;  // index of its first query among the request's queries
  int queries;
  int kv_head;
};

// The working memory of one task.
struct ExtendBuffers {
  ExtendBuffers(float* base, int64_t rows, int k_dim, int v_stride) {
    Carver carver(base);
    q = carver.take(rows * round_up(k_dim, kWidth));
    rows4 = carver.take(4 * k_dim);
    keys = carver.take(int64_t(k_dim) * kBlock);
    values = carver.take(int64_t(kBlock) * v_stride);
    scores = carver.take(rows * kBlock);
    acc = carver.take(rows * v_stride);
    max_score = carver.take(rows);
    sum = carver.take(rows);
    decay = carver.take(rows);
    floats = carver.used();
  }

  float *q, *rows4, *keys, *values, *scores, *acc, *max_score, *sum, *decay;
  int64_t floats;
};

// Positions [begin, end) that the query at `position` sees.
struct Visible {
  Visible(const ExtendParams& params, int64_t request, int64_t position) {
    const int64_t window = params.scores.window;
    begin = window < 0 ? 0 : larger<int64_t>(0, position + 1 - window);
    end = params.causal ? position + 1 : params.batch.seq_lens[request];
  }
  int64_t begin, end;
};

// Blocks of keys of the pool, as a worker asks for them.
template <class T>
class PlainKeys {
 public:
  explicit PlainKeys(const KvPool& pool) : pool_(pool) {}

  bool find(const int32_t* slots, int64_t begin, int count) { return find_keys(pool_, slots, begin, count, block_); }
  int count() const { return block_.count; }
  void pack(int head, float* rows4, float* keys) const {
    pack_keys(block_, int64_t(head) * pool_.k_dim, pool_.k_dim, rows4, keys);
  }
  void pack_v(int head, int stride, float* values) const {
    pack_values(block_, int64_t(head) * pool_.v_dim, pool_.v_dim, stride, values);
  }

 private:
  const KvPool& pool_;
  KeyBlock<T> block_;
};

class ExtendWorker {
 public:
  ExtendWorker(const ExtendParams& params, const ExtendTask& task)
      : params_(params),
        task_(task),
        group_(params.q_heads / params.pool.heads),
        rows_(task.queries * group_),
        q_stride_(int(round_up(params.pool.k_dim, kWidth))),
        v_stride_(int(round_up(params.pool.v_dim, kWidth))),
        first_position_(params.prefix_lens[task.request] + task.first) {}

  template <class Keys>
  Status run(Scratch& scratch, Keys keys) {
    const int64_t floats = ExtendBuffers(nullptr, rows_, params_.pool.k_dim, v_stride_).floats;
    float* memory = scratch.reserve(floats);
    if (memory == nullptr) return Status::kOutOfMemory;
    const ExtendBuffers buffers(memory, rows_, params_.pool.k_dim, v_stride_);
    start(buffers);
    const Batch& batch = params_.batch;
    const int32_t* slots = batch.slot_table + batch.rows[task_.request] * batch.table_stride;
    const int64_t end = Visible(params_, task_.request, first_position_ + task_.queries - 1).end;
    // Blocks begin at the same positions for every query, so that its result does not depend on the task it is in.
    const int64_t begin = Visible(params_, task_.request, first_position_).begin / kBlock * kBlock;
    for (int64_t key = begin; key < end; key += kBlock) {
      if (!keys.find(slots, key, int(smaller<int64_t>(kBlock, end - key)))) return Status::kBadSlot;
      step(buffers, keys, key);
    }
    finish(buffers);
    return Status::kOk;
  }

 private:
  int64_t token(int query) const { return params_.qo_indptr[task_.request] + task_.first + query; }

  void start(const ExtendBuffers& b) const {
    for (int i = 0; i < task_.queries; ++i) {
      load_heads(params_.q, token(i), task_.kv_head * group_, group_, params_.pool.k_dim, q_stride_,
                 params_.scores.scale, b.q + int64_t(i) * group_ * q_stride_);
    }
    std::memset(b.acc, 0, sizeof(float) * rows_ * v_stride_);
    fill(b.max_score, 0, rows_, kMasked);
    fill(b.sum, 0, rows_, 0.0f);
  }

  template <class Keys>
  void step(const ExtendBuffers& b, const Keys& keys, int64_t first_key) const {
    const KvPool& pool = params_.pool;
    keys.pack(task_.kv_head, b.rows4, b.keys);
    multiply({pool.k_dim, b.q, q_stride_, b.keys, kBlock, b.scores, kBlock, nullptr}, rows_, kBlock);
    for (int i = 0; i < task_.queries; ++i) {
      const Visible visible(params_, task_.request, first_position_ + i);
      const int begin = int(larger<int64_t>(0, visible.begin - first_key));
      const int end = int(smaller<int64_t>(keys.count(), visible.end - first_key));
      for (int r = i * group_; r < (i + 1) * group_; ++r) {
        b.decay[r] = softmax_block(b.scores + int64_t(r) * kBlock, begin, end, params_.scores.logit_cap,
                                   b.max_score[r], b.sum[r]);
      }
    }
    keys.pack_v(task_.kv_head, v_stride_, b.values);
    multiply({keys.count(), b.scores, kBlock, b.values, v_stride_, b.acc, v_stride_, b.decay}, rows_, v_stride_);
  }

  void finish(const ExtendBuffers& b) const {
    for (int r = 0; r < rows_; ++r) {
      store_head(params_.out, token(r / group_), task_.kv_head * group_ + r % group_, params_.pool.v_dim,
                 b.acc + int64_t(r) * v_stride_, 1.0f / b.sum[r]);
    }
  }

  const ExtendParams& params_;
  const ExtendTask& task_;
  int group_, rows_, q_stride_, v_stride_;
  int64_t first_position_;
};

// Queries a task takes: enough rows to pay for packing the keys, yet tasks enough for all threads.
inline int queries_per_task(const ExtendParams& params, int threads) {
  const int group = params.q_heads / params.pool.heads;
  const int64_t tokens = params.qo_indptr[params.batch.requests];
  const int64_t most = larger(8, 192 / group);
  const int64_t shared = div_up(tokens * params.pool.heads, 4 * int64_t(threads));
  return int(smaller(most, larger<int64_t>(shared, 8)));
}

// Whether the work is worth waking other threads for.
inline bool extend_parallel(const ExtendParams& params) {
  const int64_t dims = int64_t(params.q_heads) * (params.pool.k_dim + params.pool.v_dim);
  int64_t pairs = 0;
  for (int64_t b = 0; b < params.batch.requests; ++b) {
    pairs += (params.qo_indptr[b + 1] - params.qo_indptr[b]) * params.batch.seq_lens[b];
  }
  return pairs * dims >= kParallelMultiplications;
}

// Runs all tasks; each reads keys through a copy of `keys`.
template <class Keys>
Status extend_tasks(const ExtendParams& params, const Keys& keys) {
  static thread_local Scratch scratch;
  const int queries = queries_per_task(params, omp_get_max_threads());
  std::atomic<Status> status{Status::kOk};
#pragma omp parallel if (extend_parallel(params))
#pragma omp single
  for (int64_t request = 0; request < params.batch.requests; ++request) {
    const int64_t tokens = params.qo_indptr[request + 1] - params.qo_indptr[request];
    // The last queries see the most keys: starting with them leaves short tasks for the end.
    for (int64_t first = (div_up(tokens, queries) - 1) * queries; first >= 0; first -= queries) {
      for (int kv_head = 0; kv_head < params.pool.heads; ++kv_head) {
        const ExtendTask task{request, first, int(smaller<int64_t>(queries, tokens - first)), kv_head};
#pragma omp task firstprivate(task)
        {
          const Status result = ExtendWorker(params, task).run(scratch, keys);
          if (result != Status::kOk) status.store(result, std::memory_order_relaxed);
        }
      }
    }
  }
  return status.load();
}

inline Status extend_attention(const ExtendParams& params) {
  Status status = Status::kOk;
  with_type(params.pool.dtype, [&](auto type) {
    status = extend_tasks(params, PlainKeys<Element<decltype(type)>>(params.pool));
  });
  return status;
}

}  // namespace superinfer::SUPERINFER_ISA
