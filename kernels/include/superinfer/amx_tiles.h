// Tiles of AMX: sixteen rows of 64 bytes, and the product of two of them.
#pragma once

#include <type_traits>

#include "superinfer/simd.h"

namespace superinfer::SUPERINFER_ISA {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileInputs = 32;                        // numbers of 16 bits in a row
constexpr int64_t kTileNumbers = kTileRows * kTileInputs;  // a kibibyte
constexpr int64_t kTerms = 3;                              // bfloat16 that a float32 activation is the sum of

// Bfloat16 that a weight is the sum of. A float16 has eleven significant bits: eight, and three.
template <class W>
constexpr int64_t kWeightTerms = std::is_same_v<W, Half> ? 2 : 1;

// Terms of the activations that meet a term of the weights. The third times the second is below the last bit of the
// whole product: an eighth of float32's rounding.
constexpr int64_t terms_to_meet(int64_t weight_term) { return weight_term == 0 ? kTerms : kTerms - 1; }

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Sums are tiles 0 to 3, weights 4 and 5, activations 6 and 7. Fewer rows of activations are less work.
inline void configure_tiles(int64_t rows) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = 64;
    config.rows[tile] = static_cast<uint8_t>(tile == 4 || tile == 5 ? kTileRows : rows);
  }
  _tile_loadconfig(&config);
}

// The part of each number that a bfloat16 holds: its upper half, cut off.
SUPERINFER_INLINE Vec upper_half(Vec x) {
  return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x.v), _mm512_set1_epi32(int(0xffff0000))))};
}

// A row of numbers as three of bfloat16 each, whose sum they are: of 24 significant bits, each term has the next eight.
// What the last ones lose is below the smallest normal float32. An infinity becomes NaN.
SUPERINFER_INLINE void split_row(Vec low, Vec high, uint16_t* to) {
  alignas(64) static constexpr uint16_t kUpper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                      33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const __m512i upper = _mm512_load_si512(kUpper);
  for (int64_t term = 0; term < kTerms; ++term) {
    const Vec first = upper_half(low), second = upper_half(high);
    const __m512i bits =
        _mm512_permutex2var_epi16(_mm512_castps_si512(first.v), upper, _mm512_castps_si512(second.v));
    _mm512_store_si512(to + term * kTileNumbers, bits);
    low = low - first;
    high = high - second;
  }
}

// The terms of weights as tiles, one after the other, for kTileInputs inputs of a panel: pairs of inputs side by side as
// the multiplier wants them. Of the inputs there are so many; the others become 0.
SUPERINFER_INLINE void pair_inputs(const BFloat16* panel, int64_t inputs, uint16_t* to) {
  alignas(64) static constexpr uint16_t kPairs[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(kPairs);
  for (int64_t pair = 0; pair < kTileRows; ++pair) {
    const int64_t left = inputs - 2 * pair;
    const __mmask32 there = left >= 2 ? ~0u : left == 1 ? 0xffffu : 0u;
    const __m512i both = _mm512_maskz_loadu_epi16(there, panel + pair * 2 * kTileRows);
    _mm512_store_si512(to + pair * kTileInputs, _mm512_permutexvar_epi16(order, both));
  }
}

// Numbers that are bfloat16, each in the upper half of 32 bits, side by side in pairs: an even input's first.
SUPERINFER_INLINE __m512i beside(Vec even, Vec odd) {
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even.v), 16), _mm512_castps_si512(odd.v));
}

SUPERINFER_INLINE void pair_inputs(const Half* panel, int64_t inputs, uint16_t* to) {
  for (int64_t pair = 0; pair < kTileRows; ++pair) {
    const Half* at = panel + pair * 2 * kTileRows;
    const int64_t left = inputs - 2 * pair;
    const Vec even = left >= 1 ? load(at) : set1(0.0f), odd = left >= 2 ? load(at + kTileRows) : set1(0.0f);
    const Vec even_high = upper_half(even), odd_high = upper_half(odd);
    _mm512_store_si512(to + pair * kTileInputs, beside(even_high, odd_high));
    _mm512_store_si512(to + kTileNumbers + pair * kTileInputs, beside(even - even_high, odd - odd_high));
  }
}

// Adds to ROWS x PANELS tiles of sums what kTileInputs inputs give: for each term of the weights, the terms of the
// activations, the largest first.
template <class W, int ROWS, int PANELS>
SUPERINFER_INLINE void multiply_tiles(const uint16_t* activations, int64_t row_stride, const uint16_t* weights) {
  for (int64_t weight_term = 0; weight_term < kWeightTerms<W>; ++weight_term) {
    const uint16_t* right = weights + weight_term * kTileNumbers;
    _tile_loadd(4, right, 64);
    if constexpr (PANELS > 1) _tile_loadd(5, right + kWeightTerms<W> * kTileNumbers, 64);
    for (int64_t term = 0; term < terms_to_meet(weight_term); ++term) {
      _tile_loadd(6, activations + term * kTileNumbers, 64);
      _tile_dpbf16ps(0, 6, 4);
      if constexpr (PANELS > 1) _tile_dpbf16ps(1, 6, 5);
      if constexpr (ROWS > 1) {
        _tile_loadd(7, activations + row_stride + term * kTileNumbers, 64);
        _tile_dpbf16ps(2, 7, 4);
        if constexpr (PANELS > 1) _tile_dpbf16ps(3, 7, 5);
      }
    }
  }
}

template <int ROWS, int PANELS>
SUPERINFER_INLINE void clear_sums() {
  _tile_zero(0);
  if constexpr (PANELS > 1) _tile_zero(1);
  if constexpr (ROWS > 1) _tile_zero(2);
  if constexpr (ROWS > 1 && PANELS > 1) _tile_zero(3);
}

// The tiles of sums, one after the other; two for each row tile.
template <int ROWS, int PANELS>
SUPERINFER_INLINE void store_sums(float* to) {
  constexpr int64_t kSums = kTileRows * kTileRows;
  _tile_stored(0, to, 64);
  if constexpr (PANELS > 1) _tile_stored(1, to + kSums, 64);
  if constexpr (ROWS > 1) _tile_stored(2, to + 2 * kSums, 64);
  if constexpr (ROWS > 1 && PANELS > 1) _tile_stored(3, to + 3 * kSums, 64);
}

}  // namespace superinfer::SUPERINFER_ISA
