// Sealing whole pages of a pool of several formats.
#pragma once

#include "superinfer/elements.h"
#include "superinfer/seal.h"

namespace superinfer::SUPERINFER_ISA {

// A code of a sealed head as the number it means, with product and sum rounded one by one as the definition does.
SUPERINFER_INLINE float number_of(const SealedHead& head, int64_t parameter, uint32_t code) {
  const float zero = head.bounds.zero_base + float(head.zeros[parameter]) * head.bounds.zero_step;
  const int32_t scale = head.bounds.scale_base + head.scales[parameter] * head.bounds.scale_step;
  return zero + float(code) * bits_to_float(uint32_t(scale));
}

SUPERINFER_INLINE uint32_t int8_code(const SealedHead& head, int64_t row, int64_t column, int columns) {
  return head.words[row / 4 * columns + column] >> (row % 4 * 8) & 0xff;
}

class PageSealer {
 public:
  PageSealer(const MixedPool& pool, PageRef from, PageRef to) : pool_(pool), from_(from), to_(to) {}

  void keys(int head, Scratch& scratch) const {
    const int dim = pool_.native.k_dim;
    const SealBuffers b(scratch.reserve(SealBuffers(nullptr, dim).floats), dim);
    if (from_.format == KvFormat::kNative) {
      read_native(pool_.native.k, dim, head, [&](int t, int d, float x) { b.x[d * kPageTokens + t] = x; });
    } else {
      const HeadLayout layout = key_layout(from_.format, dim);
      const SealedHead sealed(sealed_keys(pool_, from_) + head * layout.size, layout);
      for (int d = 0; d < dim; ++d) {
        for (int t = 0; t < kPageTokens; ++t) {
          b.x[d * kPageTokens + t] = number_of(sealed, d, int8_code(sealed, d, t, kPageTokens));
        }
      }
    }
    const HeadLayout layout = key_layout(to_.format, dim);
    uint8_t* out = const_cast<uint8_t*>(sealed_keys(pool_, to_)) + head * layout.size;
    quantise_head(b, dim, to_.format, [](int64_t) { return kPageTokens; }, layout, out);
    pack_codes(to_.format, dim, kPageTokens, out + layout.payload,
               [&](int d, int t) { return b.codes[d * kPageTokens + t]; });
  }

  void values(int head, Scratch& scratch) const {
    const int dim = pool_.native.v_dim, sets = value_groups(dim) * kPageTokens;
    const SealBuffers b(scratch.reserve(SealBuffers(nullptr, sets).floats), sets);
    const auto place = [](int t, int d) { return (d / kValueGroup * kPageTokens + t) * kValueGroup + d % kValueGroup; };
    if (dim % kValueGroup != 0) std::memset(b.x, 0, sizeof(float) * sets * kValueGroup);
    if (from_.format == KvFormat::kNative) {
      read_native(pool_.native.v, dim, head, [&](int t, int d, float x) { b.x[place(t, d)] = x; });
    } else {
      const HeadLayout layout = value_layout(from_.format, dim);
      const SealedHead sealed(sealed_values(pool_, from_) + head * layout.size, layout);
      for (int t = 0; t < kPageTokens; ++t) {
        for (int d = 0; d < dim; ++d) {
          b.x[place(t, d)] = number_of(sealed, place(t, d) / kValueGroup, int8_code(sealed, t, d, dim));
        }
      }
    }
    const HeadLayout layout = value_layout(to_.format, dim);
    uint8_t* out = const_cast<uint8_t*>(sealed_values(pool_, to_)) + head * layout.size;
    const auto members = [&](int64_t p) { return smaller(kValueGroup, dim - int(p) / kPageTokens * kValueGroup); };
    quantise_head(b, sets, to_.format, members, layout, out);
    pack_codes(to_.format, kPageTokens, dim, out + layout.payload, [&](int t, int d) { return b.codes[place(t, d)]; });
  }

 private:
  template <class Put>
  void read_native(const void* memory, int dim, int head, Put put) const {
    with_type(pool_.native.dtype, [&](auto type) {
      const auto* page = static_cast<decltype(type)>(memory) + from_.number * kPageTokens * pool_.native.heads * dim;
      for (int t = 0; t < kPageTokens; ++t) {
        const auto* x = page + (int64_t(t) * pool_.native.heads + head) * dim;
        for (int d = 0; d < dim; ++d) put(t, d, to_float(x[d]));
      }
    });
  }

  const MixedPool& pool_;
  PageRef from_, to_;
};

// Keys and values of every head of every page: from native or int8 pages to coarser ones, which no source overlaps.
inline Status seal_pages(const SealParams& params) {
  static thread_local Scratch scratch;
  const MixedPool& pool = params.pool;
  const int heads = pool.native.heads;
  const int dim = larger(pool.native.k_dim, pool.native.v_dim);
  const int64_t sets = larger<int64_t>(pool.native.k_dim, value_groups(pool.native.v_dim) * kPageTokens);
  bool failed = false;
#pragma omp parallel for reduction(|| : failed) if (params.pages * heads * dim * kPageTokens >= kParallelFrom)
  for (int64_t i = 0; i < params.pages * heads; ++i) {
    if (scratch.reserve(SealBuffers(nullptr, sets).floats) == nullptr) {
      failed = true;
      continue;
    }
    const PageSealer sealer(pool, page_of(pool, params.from[i / heads]), page_of(pool, params.to[i / heads]));
    sealer.keys(int(i % heads), scratch);
    sealer.values(int(i % heads), scratch);
  }
  return failed ? Status::kOutOfMemory : Status::kOk;
}

}  // namespace superinfer::SUPERINFER_ISA
