// One row without tiles, with the bits that the tile multipliers would give it.
//
// A single row is bound by memory, and the way through tiles costs a quarter more. A tile product adds up the even and the odd
// inputs apart, each in order, then both, and that to the sum so far ("TDPBF16PS" in Intel's instruction set reference).
// Products of two bfloat16 are exact in float32, so that a fused multiplication rounds as the multipliers do.
#pragma once

#include "superinfer/amx_tiles.h"
#include "superinfer/packed_linear.h"

namespace superinfer::SUPERINFER_ISA {

template <class W>
constexpr int64_t kProducts = kWeightTerms<W> == 1 ? kTerms : 2 * kTerms - 1;

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

template <class W, int PANELS>
SUPERINFER_INLINE void row_panels(const PackedLinearParams& p, const float* terms, int64_t padded, int64_t panel) {
  const int64_t stride = p.inputs * kPanel;
  const W* from = static_cast<const W*>(p.weight) + panel * stride;
  Vec sum[PANELS];
  for (Vec& s : sum) s = set1(0.0f);
  for (int64_t begin = 0; begin < p.inputs; begin += kTileInputs) {
    Vec part[2][kProducts<W>][PANELS];
    for (auto& of_parity : part) {
      for (auto& of_product : of_parity) {
        for (Vec& s : of_product) s = set1(0.0f);
      }
    }
    const auto add = [&](int64_t input, int parity) {
      const int64_t ahead = ahead_of(input, p.inputs, stride, PANELS);
      for (int j = 0; j < PANELS; ++j) {
        const W* at = from + j * stride + input * kPanel;
        if (parity == 0) __builtin_prefetch(from + j * stride + ahead);
        Vec weight = load(at);
        int64_t product = 0;
        for (int64_t weight_term = 0; weight_term < kWeightTerms<W>; ++weight_term) {
          const Vec high = kWeightTerms<W> == 1 ? weight : upper_half(weight);
          for (int64_t term = 0; term < terms_to_meet(weight_term); ++term, ++product) {
            Vec& to = part[parity][product][j];
            to = fma(set1(terms[term * padded + input]), high, to);
          }
          weight = weight - high;
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
    for (int64_t product = 0; product < kProducts<W>; ++product) {
      for (int j = 0; j < PANELS; ++j) sum[j] = sum[j] + (part[0][product][j] + part[1][product][j]);
    }
  }
  for (int j = 0; j < PANELS; ++j) finish(p, 0, (panel + j) * kPanel, true, sum[j]);
}

// False if there is no memory for the terms; then nothing was done.
template <class W>
inline bool amx_row(const PackedLinearParams& p) {
  static thread_local Scratch scratch;
  constexpr int kTogether = kWeightTerms<W> == 1 ? 4 : 2;  // as many as the registers hold sums for
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
    for (; panel + kTogether <= end; panel += kTogether) row_panels<W, kTogether>(p, terms, padded, panel);
    for (; panel < end; ++panel) row_panels<W, 1>(p, terms, padded, panel);
  }
  return true;
}

}  // namespace superinfer::SUPERINFER_ISA
