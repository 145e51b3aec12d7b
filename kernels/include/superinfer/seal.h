// Sealing: a page of native numbers, or of finer codes, becomes codes. python/superinfer/kv/codec.py is the definition,
// and both give the same bits: compile this without contraction of products and sums.
#pragma once

#include "superinfer/scratch.h"
#include "superinfer/sealed.h"

namespace superinfer::SUPERINFER_ISA {

constexpr int32_t kCodes = 255;                     // the largest code of a scale or a zero
constexpr int32_t kLeastScaleBits = 0x00800000;  // the smallest normal float32

// What a head's quantisation works on. A parameter is shared by kMembers numbers that lie side by side.
struct SealBuffers {
  static constexpr int kMembers = 32;

  SealBuffers(float* base, int64_t parameters) {
    Carver carver(base);
    x = carver.take(parameters * kMembers);
    low = carver.take(parameters);
    high = carver.take(parameters);
    zero = carver.take(parameters);
    scale = carver.take(parameters);
    codes = reinterpret_cast<uint32_t*>(carver.take(parameters * kMembers));
    floats = carver.used();
  }

  float *x, *low, *high, *zero, *scale;
  uint32_t* codes;  // like x
  int64_t floats;
};

// Rounds to the nearest, ties to even, for 0 <= x < 2^22.
SUPERINFER_INLINE float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

// The extremes of each set, of which the first `members(p)` numbers count. False if a number is not finite.
template <class Members>
SUPERINFER_INLINE bool find_ranges(const SealBuffers& b, int64_t parameters, Members members) {
  Vec sum = set1(0.0f);
  for (int64_t p = 0; p < parameters; ++p) {
    float* x = b.x + p * SealBuffers::kMembers;
    const int count = members(p);
    float low = x[0], high = x[0];
    for (int i = 0; i < count; ++i) {
      low = smaller(x[i], low);
      high = larger(x[i], high);
    }
    for (int i = 0; i < SealBuffers::kMembers; i += kWidth) sum = sum + load(x + i) * set1(0.0f);
    b.low[p] = low;
    b.high[p] = high;
  }
  return !any_nan(sum);
}

// Zeros, rounded down so that the smallest number keeps a code, into bytes and numbers.
SUPERINFER_INLINE void encode_zeros(const SealBuffers& b, int64_t parameters, Bounds& bounds, uint8_t* bytes) {
  float least = b.low[0], most = b.low[0];
  for (int64_t p = 0; p < parameters; ++p) {
    least = smaller(b.low[p], least);
    most = larger(b.low[p], most);
  }
  bounds.zero_base = least;
  bounds.zero_step = (most - least) / float(kCodes);
  for (int64_t p = 0; p < parameters; ++p) {
    const float steps = bounds.zero_step > 0.0f ? (b.low[p] - least) / bounds.zero_step : 0.0f;
    bytes[p] = uint8_t(smaller(steps, float(kCodes)));
    b.zero[p] = least + float(bytes[p]) * bounds.zero_step;
  }
}

// Scales, rounded up so that the largest number keeps a code, into bytes and numbers.
SUPERINFER_INLINE void encode_scales(const SealBuffers& b, int64_t parameters, float levels, Bounds& bounds,
                                     uint8_t* bytes) {
  int32_t* all = reinterpret_cast<int32_t*>(b.scale);
  int32_t least = INT32_MAX, most = 0;
  for (int64_t p = 0; p < parameters; ++p) {
    const float scale = larger((b.high[p] - b.zero[p]) / levels, 0.0f);
    all[p] = larger(int32_t(float_to_bits(scale)), kLeastScaleBits);
    least = smaller(all[p], least);
    most = larger(all[p], most);
  }
  bounds.scale_base = least;
  bounds.scale_step = (most - least + kCodes - 1) / kCodes;
  const int32_t step = larger(bounds.scale_step, 1);
  for (int64_t p = 0; p < parameters; ++p) {
    const int32_t code = (all[p] - least + step - 1) / step;
    bytes[p] = uint8_t(code);
    b.scale[p] = bits_to_float(uint32_t(least + code * bounds.scale_step));
  }
}

SUPERINFER_INLINE void encode_numbers(const SealBuffers& b, int64_t parameters, float levels) {
  for (int64_t p = 0; p < parameters; ++p) {
    const float* x = b.x + p * SealBuffers::kMembers;
    uint32_t* codes = b.codes + p * SealBuffers::kMembers;
    for (int i = 0; i < SealBuffers::kMembers; ++i) {
      const float steps = (x[i] - b.zero[p]) / b.scale[p];
      codes[i] = uint32_t(int32_t(nearest(smaller(larger(steps, 0.0f), levels))));
    }
  }
}

// Quantises what is in b.x into b.codes, and writes the parameters of a head. What is not finite makes all of it NaN.
template <class Members>
SUPERINFER_INLINE void quantise_head(const SealBuffers& b, int64_t parameters, KvFormat format, Members members,
                                     const HeadLayout& layout, uint8_t* head) {
  const float levels = float((1 << bits_of(format)) - 1);
  const bool finite = find_ranges(b, parameters, members);
  if (!finite) {
    for (int64_t i = 0; i < parameters * SealBuffers::kMembers; ++i) b.x[i] = b.x[i] * 0.0f == 0.0f ? b.x[i] : 0.0f;
    find_ranges(b, parameters, members);
  }
  std::memset(head, 0, layout.bounds);
  Bounds bounds{};
  encode_zeros(b, parameters, bounds, head + layout.zeros);
  encode_scales(b, parameters, levels, bounds, head);
  encode_numbers(b, parameters, levels);
  if (!finite) bounds.zero_base = bits_to_float(0x7fc00000);
  std::memcpy(head + layout.bounds, &bounds, sizeof bounds);
}

// Packs `rows` x `columns` codes into words of neighbouring rows; at(row, column) is one of them.
template <class At>
SUPERINFER_INLINE void pack_codes(KvFormat format, int rows, int columns, uint8_t* payload, At at) {
  const int bits = bits_of(format), per_word = 32 / bits;
  for (int row = 0; row < rows; row += per_word) {
    for (int column = 0; column < columns; ++column) {
      uint32_t word = 0;
      for (int i = 0; i < per_word; ++i) word |= at(row + i, column) << (i * bits);
      std::memcpy(payload + (int64_t(row / per_word) * columns + column) * sizeof word, &word, sizeof word);
    }
  }
}

}  // namespace superinfer::SUPERINFER_ISA
