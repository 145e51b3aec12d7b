// Product with packed weights of 16 bits on the tile multipliers of AMX, to the precision of float32.
//
// The multipliers take bfloat16 and add up in float32. A float32 activation is the sum of three bfloat16, and a float16
// weight of two, so that three products with a bfloat16 weight, or five with a float16 one, give what float32 would; the
// multipliers are much more than five times as fast.
// Every row has its own sums, added in one order whatever is beside it: it has the same bits alone and in a batch.
#pragma once

#include "superinfer/amx_tiles.h"
#include "superinfer/packed_linear.h"

namespace superinfer::SUPERINFER_ISA {

static_assert(kPanel == kTileRows, "a panel is a tile wide");

// Rows whose terms a core keeps in its second-level cache, beside the weights that they meet.
constexpr int64_t kBlockTiles = 16;

// Up to so many row tiles, each core makes all terms for itself: sooner than it gets them from another core's cache.
constexpr int64_t kOwnTerms = 4;

// Steps by which the weights' order is ahead of the multipliers: what was just written is not there to be loaded yet.
constexpr int64_t kAhead = 4;

// Steps of ordered weights that are kept where nobody comes back for them: few enough for the first-level cache.
constexpr int64_t kRing = 2 * kAhead;

struct AmxPlan {
  explicit AmxPlan(const PackedLinearParams& p)
      : row_tiles(div_up(p.rows, kTileRows)),
        steps(div_up(p.inputs, kTileInputs)),
        panels(div_up(p.outputs, int64_t{kPanel})),
        blocks(div_up(row_tiles, kBlockTiles)),
        block_tiles(round_up(div_up(row_tiles, blocks), 2)) {}

  int64_t tile_stride() const { return steps * kTerms * kTileNumbers; }  // of activations, from row tile to row tile
  template <class W>
  int64_t weights() const {  // of two panels
    return 2 * steps * kWeightTerms<W> * kTileNumbers;
  }

  int64_t row_tiles, steps, panels, blocks, block_tiles;
};

SUPERINFER_INLINE Vec inputs_or_0(const PackedLinearParams& p, int64_t row, int64_t input) {
  const int64_t there = row < p.rows ? smaller<int64_t>(kWidth, p.inputs - input) : 0;
  return there > 0 ? load_n(p.x + row * p.x_stride + input, int(there)) : set1(0.0f);
}

// The terms of the activations: for each row tile and step, three tiles. A tile alone is no higher than it has to be.
inline void split_row_tile(const PackedLinearParams& p, const AmxPlan& plan, int64_t tile, uint16_t* to) {
  const int64_t rows = smaller(kTileRows, p.rows);
  for (int64_t step = 0; step < plan.steps; ++step) {
    const int64_t input = step * kTileInputs;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t row = tile * kTileRows + i;
      split_row(inputs_or_0(p, row, input), inputs_or_0(p, row, input + kWidth),
                to + step * kTerms * kTileNumbers + i * kTileInputs);
    }
  }
}

template <int ROWS, int PANELS>
inline void finish_tiles(const PackedLinearParams& p, int64_t tile, int64_t panel) {
  alignas(64) float sums[4 * kTileRows * kTileRows];
  store_sums<ROWS, PANELS>(sums);
  for (int64_t t = 0; t < ROWS; ++t) {
    const int64_t row = (tile + t) * kTileRows;
    const int64_t rows = smaller(kTileRows, p.rows - row);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < PANELS; ++j) {
        const Vec sum = load(sums + ((2 * t + j) * kTileRows + i) * kTileRows);
        finish(p, row + i, (panel + j) * kPanel, true, sum);
      }
    }
  }
}

// Whether a product is the first to meet its panels, and whether it is the last.
struct Turn {
  bool first, last;
};

// One or two row tiles times PANELS panels. The first to meet the panels orders their weights, a step ahead of the
// multipliers: memory is read while they work.
template <class W, int ROWS, int PANELS>
inline void amx_product(const PackedLinearParams& p, const AmxPlan& plan, const uint16_t* terms, int64_t tile,
                        int64_t panel, Turn turn, uint16_t* weights) {
  constexpr int64_t kTiles = kWeightTerms<W> * kTileNumbers;
  const W* from = static_cast<const W*>(p.weight) + panel * p.inputs * kPanel;
  const int64_t kept = turn.first && turn.last ? kRing - 1 : ~int64_t{0};
  const auto place = [&](int64_t step) { return weights + (step & kept) * PANELS * kTiles; };
  const auto order = [&](int64_t step) {
    const int64_t input = step * kTileInputs;
    for (int64_t j = 0; j < PANELS; ++j) {
      const W* at = from + (j * p.inputs + input) * kPanel;
      const W* ahead = from + j * p.inputs * kPanel + ahead_of(input, p.inputs, p.inputs * kPanel, PANELS);
      for (int64_t line = 0; line < kTileRows; ++line) __builtin_prefetch(ahead + line * kTileInputs);
      pair_inputs(at, p.inputs - input, place(step) + j * kTiles);
    }
  };
  clear_sums<ROWS, PANELS>();
  const int64_t ahead = turn.first ? smaller(kAhead, plan.steps) : 0;
  for (int64_t step = 0; step < ahead; ++step) order(step);
  const uint16_t* left = terms + tile * plan.tile_stride();
  for (int64_t step = 0; step < plan.steps; ++step) {
    if (turn.first && step + kAhead < plan.steps) order(step + kAhead);
    multiply_tiles<W, ROWS, PANELS>(left + step * kTerms * kTileNumbers, plan.tile_stride(),
                                    place(step));
  }
  finish_tiles<ROWS, PANELS>(p, tile, panel);
}

template <class W, int PANELS>
inline void amx_panels(const PackedLinearParams& p, const AmxPlan& plan, const uint16_t* terms, int64_t block,
                       int64_t panel, uint16_t* weights) {
  const int64_t begin = block * plan.block_tiles;
  const int64_t end = smaller(begin + plan.block_tiles, plan.row_tiles);
  int64_t tile = begin;
  for (; tile + 2 <= end; tile += 2) {
    amx_product<W, 2, PANELS>(p, plan, terms, tile, panel, {tile == begin, tile + 2 == end}, weights);
  }
  if (tile < end) amx_product<W, 1, PANELS>(p, plan, terms, tile, panel, {tile == begin, true}, weights);
}

// False if there is no memory for the terms; then nothing was done.
template <class W>
inline bool amx_linear(const PackedLinearParams& p) {
  static thread_local Scratch scratch;
  const AmxPlan plan(p);
  const int64_t threads = omp_get_max_threads();
  const int64_t terms_size = plan.row_tiles * plan.tile_stride();
  const bool own = plan.row_tiles <= kOwnTerms;
  float* room = scratch.reserve(((own ? threads : 1) * terms_size + threads * plan.weights<W>()) / 2);
  if (room == nullptr) return false;
  const int64_t turns = larger<int64_t>(1, threads * kTurns / plan.blocks);
  const int64_t group = round_up(div_up(plan.panels, turns), 2);
#pragma omp parallel
  {
    configure_tiles(smaller(kTileRows, p.rows));
    const int64_t thread = omp_get_thread_num();
    uint16_t* weights = reinterpret_cast<uint16_t*>(room) + thread * plan.weights<W>();
    uint16_t* terms = reinterpret_cast<uint16_t*>(room) + threads * plan.weights<W>() + (own ? thread * terms_size : 0);
    const auto split = [&](int64_t tile) { split_row_tile(p, plan, tile, terms + tile * plan.tile_stride()); };
    if (own) {
      for (int64_t tile = 0; tile < plan.row_tiles; ++tile) split(tile);
    } else {
#pragma omp for
      for (int64_t tile = 0; tile < plan.row_tiles; ++tile) split(tile);
    }
#pragma omp for collapse(2) schedule(dynamic)
    for (int64_t block = 0; block < plan.blocks; ++block) {
      for (int64_t begin = 0; begin < plan.panels; begin += group) {
        const int64_t end = smaller(begin + group, plan.panels);
        int64_t panel = begin;
        for (; panel + 2 <= end; panel += 2) amx_panels<W, 2>(p, plan, terms, block, panel, weights);
        if (panel < end) amx_panels<W, 1>(p, plan, terms, block, panel, weights);
      }
    }
    _tile_release();
  }
  return true;
}

}  // namespace superinfer::SUPERINFER_ISA
