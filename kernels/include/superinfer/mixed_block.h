// Finding a block of keys in a pool of several formats.
#pragma once

#include "superinfer/sealed.h"
#include "superinfer/slots.h"

namespace superinfer::SUPERINFER_ISA {

constexpr int kBlockPages = kBlock / kPageTokens;

// Up to kBlock consecutive positions, beginning at a multiple of kPageTokens, page by page.
template <class T>
struct MixedBlock {
  KeyBlock<T> native;         // pointers of positions in native pages only
  PageRef pages[kBlockPages];
  int count;
  int page_count;
  bool plain;  // all pages are native

  // Positions of page p that are in the block.
  int tokens(int p) const { return smaller(kPageTokens, count - p * kPageTokens); }

  // The keys of one native page, as a block of their own.
  KeyBlock<T> page(int p) const {
    KeyBlock<T> keys;
    keys.count = tokens(p);
    for (int j = 0; j < kBlock; ++j) {
      const int from = p * kPageTokens + smaller(j, kPageTokens - 1);
      keys.k[j] = native.k[from];
      keys.v[j] = native.v[from];
    }
    return keys;
  }
};

// Fills `block` with positions [begin, begin + count). False if a slot lies outside the pool or, in a sealed page, is not
// where the position has to be.
template <class T>
SUPERINFER_INLINE bool find_mixed(const MixedPool& pool, const int32_t* slots, int64_t begin, int count,
                                  MixedBlock<T>& block) {
  block.count = count;
  block.page_count = int(div_up(count, kPageTokens));
  bool sealed = false;
  for (int p = 0; p < block.page_count; ++p) sealed |= slots[begin + p * kPageTokens] >= pool.int8_slot;
  block.plain = !sealed;
  if (block.plain) return find_keys(pool.native, slots, begin, count, block.native);
  const int64_t k_row = int64_t(pool.native.heads) * pool.native.k_dim;
  const int64_t v_row = int64_t(pool.native.heads) * pool.native.v_dim;
  for (int p = 0; p < block.page_count; ++p) {
    const int first = p * kPageTokens, last = smaller(first + kPageTokens, count) - 1;
    const int64_t start = slots[begin + first];
    if (start < 0 || start >= pool.end_slot) return false;
    block.pages[p] = page_of(pool, start);
    if (block.pages[p].format != KvFormat::kNative) {
      if (start % kPageTokens != 0 || slots[begin + last] != start + last - first) return false;
      continue;
    }
    for (int j = first; j < first + kPageTokens; ++j) {
      const int64_t slot = slots[begin + smaller(j, last)];
      if (slot < 0 || slot >= pool.native.slots) return false;
      block.native.k[j] = static_cast<const T*>(pool.native.k) + slot * k_row;
      block.native.v[j] = static_cast<const T*>(pool.native.v) + slot * v_row;
    }
  }
  return true;
}

// One head of a sealed page.
SUPERINFER_INLINE SealedHead sealed_key(const MixedPool& pool, PageRef page, int head) {
  const HeadLayout layout = key_layout(page.format, pool.native.k_dim);
  return {sealed_keys(pool, page) + head * layout.size, layout};
}
SUPERINFER_INLINE SealedHead sealed_value(const MixedPool& pool, PageRef page, int head) {
  const HeadLayout layout = value_layout(page.format, pool.native.v_dim);
  return {sealed_values(pool, page) + head * layout.size, layout};
}

// Calls body with a constant: the bits of the page's codes.
template <class Body>
SUPERINFER_INLINE void with_bits(KvFormat format, Body body) {
  if (format == KvFormat::kInt4) {
    body(std::integral_constant<int, 4>{});
  } else {
    body(std::integral_constant<int, 8>{});
  }
}

// The scales, or zeros, of parameters from `index` on: kWidth of them, the last ones meaningless at the end.
SUPERINFER_INLINE Vec scales_at(const SealedHead& head, int64_t index) {
  return load_floats(head.scales + index, head.bounds.scale_base, head.bounds.scale_step);
}
SUPERINFER_INLINE Vec zeros_at(const SealedHead& head, int64_t index) {
  return fma(load_bytes(head.zeros + index), set1(head.bounds.zero_step), set1(head.bounds.zero_base));
}

}  // namespace superinfer::SUPERINFER_ISA
