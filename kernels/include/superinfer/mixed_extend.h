// Extend attention over a pool of several formats: sealed pages are unpacked where native ones are packed, once for all
// rows of a task. As with decode, blocks that are all native take the path of a plain pool.
#pragma once

#include "superinfer/extend.h"
#include "superinfer/mixed_block.h"

namespace superinfer::SUPERINFER_ISA {

// keys[d][t] of one sealed page, columns kBlock apart.
template <int BITS>
SUPERINFER_INLINE void unpack_keys(const SealedHead& head, int dim, float* keys) {
  constexpr int kCodes = 32 / BITS;
  float scales[kWidth], zeros[kWidth];
  for (int d = 0; d < dim; ++d) {
    if (d % kWidth == 0) {
      store(scales, scales_at(head, d));
      store(zeros, zeros_at(head, d));
    }
    const Vec scale = set1(scales[d % kWidth]), zero = set1(zeros[d % kWidth]);
    for (int t = 0; t < kPageTokens; t += kWidth) {
      const Words words = load_words(head.words + d / kCodes * kPageTokens + t, kWidth);
      store(keys + d * kBlock + t, fma(codes<BITS>(words, d % kCodes), scale, zero));
    }
  }
}

// values[t][d] of one sealed page.
template <int BITS>
SUPERINFER_INLINE void unpack_values(const SealedHead& head, int dim, int stride, float* values) {
  constexpr int kCodes = 32 / BITS;
  for (int begin = 0; begin < dim; begin += kValueGroup) {
    const int end = smaller(begin + kValueGroup, dim);
    float scales[kPageTokens], zeros[kPageTokens];
    for (int t = 0; t < kPageTokens; t += kWidth) {
      store(scales + t, scales_at(head, begin / kValueGroup * kPageTokens + t));
      store(zeros + t, zeros_at(head, begin / kValueGroup * kPageTokens + t));
    }
    for (int d = begin; d < end; d += kWidth) {
      for (int t = 0; t < kPageTokens; ++t) {
        const Words words = load_words(head.words + t / kCodes * dim + d, smaller(kWidth, end - d));
        store(values + t * stride + d, fma(codes<BITS>(words, t % kCodes), set1(scales[t]), set1(zeros[t])));
      }
    }
  }
}

template <class T>
class MixedKeys {
 public:
  explicit MixedKeys(const MixedPool& pool) : pool_(pool) {}

  bool find(const int32_t* slots, int64_t begin, int count) { return find_mixed(pool_, slots, begin, count, block_); }
  int count() const { return block_.count; }

  void pack(int head, float* rows4, float* keys) const {
    const int dim = pool_.native.k_dim;
    if (block_.plain) return pack_keys(block_.native, int64_t(head) * dim, dim, rows4, keys);
    for (int p = 0; p < kBlockPages; ++p) {
      float* columns = keys + p * kPageTokens;
      if (p >= block_.page_count) {
        for (int d = 0; d < dim; ++d) fill(columns + d * kBlock, 0, kPageTokens, 0.0f);
      } else if (block_.pages[p].format == KvFormat::kNative) {
        pack_keys(block_.page(p), int64_t(head) * dim, dim, rows4, columns, 0, kPageTokens);
      } else {
        with_bits(block_.pages[p].format, [&](auto bits) {
          unpack_keys<decltype(bits)::value>(sealed_key(pool_, block_.pages[p], head), dim, columns);
        });
      }
    }
  }

  void pack_v(int head, int stride, float* values) const {
    const int dim = pool_.native.v_dim;
    if (block_.plain) return pack_values(block_.native, int64_t(head) * dim, dim, stride, values);
    for (int p = 0; p < block_.page_count; ++p) {
      float* rows = values + p * kPageTokens * stride;
      if (block_.pages[p].format == KvFormat::kNative) {
        pack_values(block_.page(p), int64_t(head) * dim, dim, stride, rows);
      } else {
        with_bits(block_.pages[p].format, [&](auto bits) {
          unpack_values<decltype(bits)::value>(sealed_value(pool_, block_.pages[p], head), dim, stride, rows);
        });
      }
    }
  }

 private:
  const MixedPool& pool_;
  MixedBlock<T> block_;
};

inline Status mixed_extend_attention(const MixedExtendParams& params) {
  Status status = Status::kOk;
  with_type(params.pool.native.dtype, [&](auto type) {
    status = extend_tasks(params.plain, MixedKeys<Element<decltype(type)>>(params.pool));
  });
  return status;
}

}  // namespace superinfer::SUPERINFER_ISA
