// How a sealed head lies in memory; python/superinfer/kv/layout.py is the definition.
#pragma once

#include "superinfer/params.h"

namespace superinfer {

// What the bytes of scales and zeros mean: zero = zero_base + zero_step * byte, and a scale is the float32 whose bits are
// scale_base + scale_step * byte: equal ratios, nearly.
struct Bounds {
  float zero_base, zero_step;
  int32_t scale_base, scale_step;
};

// Offsets of the parts of one head; scales come first.
struct HeadLayout {
  int64_t zeros, bounds, payload, size;
};

constexpr int value_groups(int dim) { return (dim + kValueGroup - 1) / kValueGroup; }

constexpr int bits_of(KvFormat format) { return format == KvFormat::kInt8 ? 8 : 4; }

constexpr HeadLayout head_layout(KvFormat format, int64_t parameters, int64_t dim) {
  const int64_t padded = (parameters + kValueGroup - 1) / kValueGroup * kValueGroup;
  const int64_t payload = 2 * padded + int64_t(sizeof(Bounds));
  return {padded, 2 * padded, payload, payload + kPageTokens * dim * bits_of(format) / 8};
}

constexpr HeadLayout key_layout(KvFormat format, int dim) { return head_layout(format, dim, dim); }

constexpr HeadLayout value_layout(KvFormat format, int dim) {
  return head_layout(format, kPageTokens * value_groups(dim), dim);
}

// The parts of one sealed head.
struct SealedHead {
  const uint8_t* scales;
  const uint8_t* zeros;
  Bounds bounds;
  const uint32_t* words;

  SealedHead(const uint8_t* head, const HeadLayout& layout)
      : scales(head), zeros(head + layout.zeros), words(reinterpret_cast<const uint32_t*>(head + layout.payload)) {
    std::memcpy(&bounds, head + layout.bounds, sizeof bounds);
  }
};

// A page by format, and its number within that format.
struct PageRef {
  KvFormat format;
  int64_t number;
};

constexpr PageRef page_of(const MixedPool& pool, int64_t slot) {
  if (slot < pool.int8_slot) return {KvFormat::kNative, slot / kPageTokens};
  if (slot < pool.int4_slot) return {KvFormat::kInt8, (slot - pool.int8_slot) / kPageTokens};
  return {KvFormat::kInt4, (slot - pool.int4_slot) / kPageTokens};
}

inline const uint8_t* sealed_keys(const MixedPool& pool, PageRef page) {
  return pool.k + page.number * pool.native.heads * key_layout(page.format, pool.native.k_dim).size;
}

inline const uint8_t* sealed_values(const MixedPool& pool, PageRef page) {
  return pool.v + page.number * pool.native.heads * value_layout(page.format, pool.native.v_dim).size;
}

}  // namespace superinfer
