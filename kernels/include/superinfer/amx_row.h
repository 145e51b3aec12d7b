// One row without tiles, with the bits that the tile multipliers would give it.
//
// A single row is bound by memory, and the way through tiles costs a quarter more. A tile product adds up the even and the odd
// inputs apart, each in order, then both, and that to the sum so far ("TDPBF16PS" in Intel's instruction set reference).
// Products of two bfloat16 are exact in float32, so that a fused multiplication rounds as the multipliers do.
#pragma once

#include "superinfer/amx_tiles.h"
#include "superinfer/packed_linear.h"

namespace superinfer::SUPERINFER_ISA {

// Terms of a row: for each of them the inputs, as float32, padded to whole steps.
inline void split_alone(const PackedLinearParams& p, int64_t padded, float* to) {
  for (int64_t input = 0; input < padded; input += kWidth) {
    const int64_t there = smaller<int64_t>(kWidth, p.inputs - input);
    Vec x = there > 0 ? load_n(p.x + input, int(there)) : set1(0.0f);
    for (int64_t term = 0; term < kTerms; ++term) {
      const Vec high = upper_half(x);
      store(to + term * padded + input, high);
      x = x - high;
    }
  }
}

template <int PANELS>
SUPERINFER_INLINE void row_panels(const PackedLinearParams& p, const float* terms, int64_t padded, int64_t panel) {
  const int64_t stride = p.inputs * kPanel;
  const BFloat16* from = static_cast<const BFloat16*>(p.weight) + panel * stride;
  Vec sum[PANELS];
  for (Vec& s : sum) s = set1(0.0f);
  for (int64_t begin = 0; begin < p.inputs; begin += kTileInputs) {
    Vec part[2][kTerms][PANELS];
    for (auto& of_parity : part) {
      for (auto& of_term : of_parity) {
        for (Vec& s : of_term) s = set1(0.0f);
      }
    }
    const auto add = [&](int64_t input, int parity) {
      for (int j = 0; j < PANELS; ++j) {
        const BFloat16* at = from + j * stride + input * kPanel;
        if (parity == 0) __builtin_prefetch(at + kPrefetch * kPanel);
        const Vec weight = load(at);
        for (int64_t term = 0; term < kTerms; ++term) {
          part[parity][term][j] = fma(set1(terms[term * padded + input]), weight, part[parity][term][j]);
        }
      }
    };
    const int64_t end = smaller(begin + kTileInputs, p.inputs);
    int64_t input = begin;
    for (; input + 2 <= end; input += 2) {
      add(input, 0);
      add(input + 1, 1);
    }
    if (input < end) add(input, 0);
    for (int64_t term = 0; term < kTerms; ++term) {
      for (int j = 0; j < PANELS; ++j) sum[j] = sum[j] + (part[0][term][j] + part[1][term][j]);
    }
  }
  for (int j = 0; j < PANELS; ++j) finish(p, 0, (panel + j) * kPanel, true, sum[j]);
}

// False if there is no memory for the terms; then nothing was done.
inline bool amx_row(const PackedLinearParams& p) {
  static thread_local Scratch scratch;
  constexpr int kTogether = 4;
  const int64_t padded = round_up(p.inputs, kTileInputs);
  float* terms = scratch.reserve(kTerms * padded);
  if (terms == nullptr) return false;
  split_alone(p, padded, terms);
  const int64_t panels = div_up(p.outputs, int64_t{kPanel});
  const int64_t group = round_up(div_up(panels, omp_get_max_threads() * kTurns), kTogether);
#pragma omp parallel for schedule(dynamic)
  for (int64_t begin = 0; begin < panels; begin += group) {
    const int64_t end = smaller(begin + group, panels);
    int64_t panel = begin;
    for (; panel + kTogether <= end; panel += kTogether) row_panels<kTogether>(p, terms, padded, panel);
    for (; panel < end; ++panel) row_panels<1>(p, terms, padded, panel);
  }
  return true;
}

}  // namespace superinfer::SUPERINFER_ISA
