// Storage types. Arithmetic is always done in fp32; these only say how numbers lie in memory.
#pragma once

#include <cstdint>
#include <cstring>

#define SUPERINFER_INLINE inline __attribute__((always_inline))

namespace superinfer {

enum class DType : int { kFloat32, kFloat16, kBFloat16 };

SUPERINFER_INLINE int64_t bytes_of(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

// How the pages of a mixed KV pool are stored: numbers as they are, or sealed into codes of 8 or 4 bits.
enum class KvFormat : int { kNative, kInt8, kInt4 };

struct Half {
  uint16_t bits;
};

struct BFloat16 {
  uint16_t bits;
};

SUPERINFER_INLINE float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

SUPERINFER_INLINE uint32_t float_to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

SUPERINFER_INLINE float to_float(float value) { return value; }

SUPERINFER_INLINE float to_float(BFloat16 value) { return bits_to_float(uint32_t(value.bits) << 16); }

SUPERINFER_INLINE float to_float(Half value) {
  const uint32_t sign = uint32_t(value.bits & 0x8000) << 16;
  const uint32_t magnitude = value.bits & 0x7fff;
  if (magnitude >= 0x7c00) return bits_to_float(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  // Multiplying by 2^112 moves the exponent's bias from 15 to 127, for subnormal numbers too.
  return bits_to_float(sign | float_to_bits(bits_to_float(magnitude << 13) * 0x1p112f));
}

template <class T>
T from_float(float value);

template <>
SUPERINFER_INLINE float from_float<float>(float value) {
  return value;
}

// Both conversions round to nearest, ties to even, and keep NaN a NaN.
template <>
SUPERINFER_INLINE BFloat16 from_float<BFloat16>(float value) {
  const uint32_t bits = float_to_bits(value);
  if (value != value) return {uint16_t(bits >> 16 | 0x40)};
  return {uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <>
SUPERINFER_INLINE Half from_float<Half>(float value) {
  const uint16_t sign = uint16_t(float_to_bits(value) >> 16 & 0x8000);
  const uint32_t magnitude = float_to_bits(value) & 0x7fffffff;
  if (magnitude > 0x7f800000) return {uint16_t(sign | 0x7e00)};
  if (magnitude >= 0x47800000) return {uint16_t(sign | 0x7c00)};
  if (magnitude < 0x38800000) {
    // Subnormal in fp16: adding 0.5 lets the addition round at fp16's last place, 2^-24.
    return {uint16_t(sign | (float_to_bits(bits_to_float(magnitude) + 0.5f) - 0x3f000000))};
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23);
  return {uint16_t(sign | rounded >> 13)};
}

}  // namespace superinfer
