// Decode attention over a pool of several formats. A block of keys that is all native takes the very path of a plain
// pool, so that a request which is all native gets the same bits with and without the other formats.
#pragma once

#include "superinfer/decode.h"
#include "superinfer/sealed_tiles.h"

namespace superinfer::SUPERINFER_ISA {

// A chunk's work on one KV head.
template <class T>
class MixedHead {
 public:
  MixedHead(const MixedDecodeParams& params, int kv_head, const float* q, int q_stride, float* scaled)
      : params_(params), kv_head_(kv_head), q_(q), q_stride_(q_stride), scaled_(scaled) {}

  // Adds one block for all query heads of the KV head, whose partial results are `state` and those after it.
  void add(const MixedBlock<T>& block, const MixedBlock<T>& next, Partial state, int64_t stride) const {
    const int group = params_.plain.q_heads / params_.pool.native.heads;
    for (int h = 0; h < group; h += kHeadTile) {
      const Partial mine{state.max_score + h * stride, state.sum + h * stride, state.values + h * stride};
      const float* q = q_ + h * q_stride_;
      switch (smaller(kHeadTile, group - h)) {
        case 1:
          add_heads<1>(block, next, q, mine, stride);
          break;
        case 2:
          add_heads<2>(block, next, q, mine, stride);
          break;
        case 3:
          add_heads<3>(block, next, q, mine, stride);
          break;
        default:
          add_heads<kHeadTile>(block, next, q, mine, stride);
      }
    }
  }

 private:
  template <int HEADS>
  void add_heads(const MixedBlock<T>& block, const MixedBlock<T>& next, const float* q, Partial state,
                 int64_t stride) const {
    if (block.plain) {
      const KeyBlock<T>& after = next.plain ? next.native : block.native;
      return decode_heads<HEADS>(params_.plain, block.native, after, kv_head_, q, q_stride_, state, stride);
    }
    float scores[HEADS * kBlock];
    float decay[HEADS];
    for (int p = 0; p < block.page_count; ++p) score<HEADS>(block, next, p, q, scores + p * kPageTokens);
    for (int h = 0; h < HEADS; ++h) {
      decay[h] = softmax_block(scores + h * kBlock, 0, block.count, params_.plain.scores.logit_cap,
                               state.max_score[h * stride], state.sum[h * stride]);
    }
    for (int p = 0; p < block.page_count; ++p) {
      add_values<HEADS>(block, next, p, scores + p * kPageTokens, decay, state.values, stride);
      for (int h = 0; h < HEADS; ++h) decay[h] = 1.0f;
    }
  }

  template <int HEADS>
  void score(const MixedBlock<T>& block, const MixedBlock<T>& next, int p, const float* q, float* scores) const {
    const KvPool& native = params_.pool.native;
    const PageRef page = block.pages[p];
    if (page.format == KvFormat::kNative) {
      const KeyBlock<T> keys = block.page(p);
      return score_tile<HEADS>(q, q_stride_, keys, keys, int64_t(kv_head_) * native.k_dim, native.k_dim, scores);
    }
    const PageRef after = ahead(block, next, p);
    with_bits(page.format, [&](auto bits) {
      score_page<HEADS, decltype(bits)::value>(q, q_stride_, sealed_key(params_.pool, page, kv_head_),
                                               words_of(sealed_key(params_.pool, after, kv_head_)), native.k_dim, scaled_,
                                               scores);
    });
  }

  template <int HEADS>
  void add_values(const MixedBlock<T>& block, const MixedBlock<T>& next, int p, const float* weights, const float* decay,
                  float* acc, int64_t stride) const {
    const KvPool& native = params_.pool.native;
    const PageRef page = block.pages[p];
    if (page.format == KvFormat::kNative) {
      const KeyBlock<T> keys = block.page(p);
      return value_tiles<HEADS>(weights, decay, keys, keys, int64_t(kv_head_) * native.v_dim, native.v_dim, acc, stride);
    }
    const PageRef after = ahead(block, next, p);
    with_bits(page.format, [&](auto bits) {
      value_page<HEADS, decltype(bits)::value>(weights, decay, sealed_value(params_.pool, page, kv_head_),
                                               words_of(sealed_value(params_.pool, after, kv_head_)), native.v_dim, acc,
                                               stride);
    });
  }

  // The page in the same place of the next block, if it has one of this page's format; else this page.
  static PageRef ahead(const MixedBlock<T>& block, const MixedBlock<T>& next, int p) {
    const bool alike = !next.plain && p < next.page_count && next.pages[p].format == block.pages[p].format;
    return alike ? next.pages[p] : block.pages[p];
  }

  static const char* words_of(const SealedHead& head) { return reinterpret_cast<const char*>(head.words); }

  const MixedDecodeParams& params_;
  int kv_head_;
  const float* q_;
  int q_stride_;
  float* scaled_;
};

// The block that the next chunk begins with, or `block` if there is none or a slot of it is bad.
template <class T>
MixedBlock<T> first_mixed_after(const MixedDecodeParams& params, const DecodePlan& plan, int64_t chunk,
                                const MixedBlock<T>& block) {
  if (chunk + 1 >= plan.chunks()) return block;
  const ChunkKeys keys(params.plain, plan, chunk + 1);
  MixedBlock<T> next;
  const int count = int(smaller<int64_t>(kBlock, keys.end - keys.begin));
  return count > 0 && find_mixed(params.pool, keys.slots, keys.begin, count, next) ? next : block;
}

// One chunk of one request, for the KV heads [first_head, first_head + heads).
template <class T>
Status mixed_chunk(const MixedDecodeParams& params, const DecodePlan& plan, int64_t chunk, int first_head, int heads,
                   Scratch& scratch) {
  const MixedPool& pool = params.pool;
  const int group = params.plain.q_heads / pool.native.heads, k_dim = pool.native.k_dim;
  const int q_stride = int(round_up(k_dim, kWidth));
  const ChunkKeys keys(params.plain, plan, chunk);
  const auto find = [&](int64_t position, MixedBlock<T>& block) {
    const int count = int(smaller<int64_t>(kBlock, keys.end - position));
    return find_mixed(pool, keys.slots, position, count, block);
  };
  const int64_t q_floats = int64_t(heads) * group * q_stride;
  float* q = scratch.reserve(q_floats + kHeadTile * q_stride);
  if (q == nullptr) return Status::kOutOfMemory;
  load_heads(params.plain.q, keys.request, first_head * group, heads * group, k_dim, q_stride,
             params.plain.scores.scale, q);
  clear_partials(plan, chunk, first_head * group, heads * group, pool.native.v_dim);
  MixedBlock<T> block, next;
  if (keys.begin < keys.end && !find(keys.begin, block)) return Status::kBadSlot;
  for (int64_t position = keys.begin; position < keys.end; position += kBlock, block = next) {
    if (position + kBlock >= keys.end) {
      next = first_mixed_after(params, plan, chunk, block);
    } else if (!find(position + kBlock, next)) {
      return Status::kBadSlot;
    }
    for (int h = 0; h < heads; ++h) {
      const MixedHead<T> head(params, first_head + h, q + int64_t(h) * group * q_stride, q_stride, q + q_floats);
      head.add(block, next, plan.partial(chunk, (first_head + h) * group), plan.partial_stride());
    }
  }
  return Status::kOk;
}

inline Status mixed_decode_attention(const MixedDecodeParams& params) {
  Status status = Status::kOk;
  with_type(params.pool.native.dtype, [&](auto type) {
    using T = Element<decltype(type)>;
    const auto chunk = [&](const DecodePlan& plan, int64_t chunk, int first_head, int heads, Scratch& scratch) {
      return mixed_chunk<T>(params, plan, chunk, first_head, heads, scratch);
    };
    status = decode_chunks(params.plain, chunk);
  });
  return status;
}

}  // namespace superinfer::SUPERINFER_ISA
