// Product with the transpose of a weight matrix that was packed for it: [panels, inputs, kPanel].
//
// A panel holds kPanel outputs side by side, so that one pass over it feeds whole vectors of sums, and a step with few
// rows reads the weights once, in the order in which they lie.
#pragma once

#include "superinfer/elements.h"
#include "superinfer/scratch.h"

namespace superinfer::SUPERINFER_ISA {

constexpr int kPanelVecs = kPanel / kWidth;

// A register tile: sums for ROWS rows times PANELS panels. WIDENS: 16-bit weights are widened once for many tiles,
// rather than in each.
template <int ROWS, int PANELS, bool WIDENS = false>
struct TileShape {
  static constexpr int kRows = ROWS;
  static constexpr int kPanels = PANELS;
  static constexpr bool kWidens = WIDENS;
};

constexpr int by_width(int wide, int medium, int narrow) { return kWidth == 16 ? wide : kWidth == 8 ? medium : narrow; }

// Few rows take more panels, to keep as many sums in flight as the multipliers need. Measured on Zen 4.
using OneRow = TileShape<1, by_width(8, 4, 2)>;
using SomeRows = TileShape<by_width(4, 3, 2), by_width(4, 2, 1)>;
using SeveralRows = TileShape<by_width(14, 6, 2), 1>;
using BatchRows = TileShape<by_width(8, 6, 2), by_width(3, 1, 1)>;
using ManyRows = TileShape<BatchRows::kRows, BatchRows::kPanels, kWidth != 16>;
constexpr int64_t kBatchFrom = 24, kManyFrom = 64;

// Inputs ahead of their use that are asked for: a page's worth of a panel is beyond what the CPU foresees.
constexpr int64_t kPrefetch = 96;

// Where the weights lie that will be met kPrefetch inputs after this one: behind the last input of a panel, those of the panel
// that comes as many further as are taken together. Of two panels, so many elements lie between.
SUPERINFER_INLINE int64_t ahead_of(int64_t input, int64_t inputs, int64_t panel_stride, int64_t together) {
  const int64_t next = input + kPrefetch;
  return next < inputs ? next * kPanel : together * panel_stride + (next - inputs) * kPanel;
}

// At most so many rows share what a thread keeps in its second-level cache.
constexpr int64_t kRowBlock = 144;

// Inputs taken at a time: longer sums go through the output.
constexpr int64_t kDepthBlock = 768;

// How many turns a thread should get: enough to even out what other processes take from it.
constexpr int64_t kTurns = 8;

// Part of a product: these rows, panels and inputs.
template <class W>
struct PanelBlock {
  const W* weight;       // of the first panel and the first input
  int64_t panel_stride;  // in elements
  int64_t row, rows;
  int64_t output;
  int64_t input, inputs;
};

// Adds a vector of sums to what the output begins with. Starting the sums there instead would round every product to
// the precision of a large residual.
SUPERINFER_INLINE void finish(const PackedLinearParams& p, int64_t row, int64_t output, bool first_inputs, Vec sum) {
  const int lanes = int(smaller<int64_t>(kWidth, p.outputs - output));
  if (lanes <= 0) return;
  float* out = p.out + row * p.out_stride + output;
  if (p.accumulate || !first_inputs) sum = sum + load_n(out, lanes);
  if (p.bias != nullptr && first_inputs) sum = sum + load_n(p.bias + output, lanes);
  store_n(out, sum, lanes);
}

template <class W, int ROWS, int PANELS>
SUPERINFER_INLINE void packed_tile(const PackedLinearParams& p, const PanelBlock<W>& block, int64_t row) {
  const float* x = p.x + row * p.x_stride + block.input;
  Vec sum[ROWS][PANELS * kPanelVecs];
  for (auto& sums : sum) {
    for (Vec& s : sums) s = set1(0.0f);
  }
  for (int64_t k = 0; k < block.inputs; ++k) {
    Vec right[PANELS * kPanelVecs];
    const int64_t ahead = ahead_of(k, block.inputs, block.panel_stride, PANELS);
    for (int j = 0; j < PANELS * kPanelVecs; ++j) {
      const W* panel = block.weight + (j / kPanelVecs) * block.panel_stride;
      if (j % kPanelVecs == 0) __builtin_prefetch(panel + ahead);
      right[j] = load(panel + k * kPanel + (j % kPanelVecs) * kWidth);
    }
    for (int i = 0; i < ROWS; ++i) {
      const Vec left = set1(x[i * p.x_stride + k]);
      for (int j = 0; j < PANELS * kPanelVecs; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
  for (int i = 0; i < ROWS; ++i) {
    for (int j = 0; j < PANELS * kPanelVecs; ++j) {
      finish(p, row + i, block.output + j * kWidth, block.input == 0, sum[i][j]);
    }
  }
}

// A tile of a number of rows that is known only at run time: ROWS or fewer.
template <class W, int ROWS, int PANELS>
SUPERINFER_INLINE void tile_of(const PackedLinearParams& p, const PanelBlock<W>& block, int64_t row, int64_t rows) {
  if constexpr (ROWS > 1) {
    if (rows < ROWS) return tile_of<W, ROWS - 1, PANELS>(p, block, row, rows);
  }
  packed_tile<W, ROWS, PANELS>(p, block, row);
}

// Tiles of nearly equal height: a last one with a row or two would waste most of the multipliers.
template <class W, int ROWS, int PANELS>
inline void panel_block(const PackedLinearParams& p, const PanelBlock<W>& block) {
  const int64_t tiles = div_up(block.rows, ROWS);
  int64_t row = block.row;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t rows = block.rows / tiles + (t < block.rows % tiles ? 1 : 0);
    tile_of<W, ROWS, PANELS>(p, block, row, rows);
    row += rows;
  }
}

template <class W>
SUPERINFER_INLINE void widen_panels(const PanelBlock<W>& block, int panels, float* to) {
  for (int j = 0; j < panels; ++j) {
    const W* from = block.weight + j * block.panel_stride;
    for (int64_t i = 0; i < block.inputs * kPanel; i += kWidth) store(to + i, load(from + i));
    to += block.inputs * kPanel;
  }
}

template <class W, int ROWS, int PANELS>
inline void panel_block_widened(const PackedLinearParams& p, const PanelBlock<W>& block, float* scratch) {
  if (scratch == nullptr) return panel_block<W, ROWS, PANELS>(p, block);
  widen_panels(block, PANELS, scratch);
  const int64_t stride = block.inputs * kPanel;
  panel_block<float, ROWS, PANELS>(
      p, {scratch, stride, block.row, block.rows, block.output, block.input, block.inputs});
}

// Rows [row, row + rows) and panels [begin, end).
template <class W, class Tile>
inline void panel_range(const PackedLinearParams& p, int64_t row, int64_t rows, int64_t begin, int64_t end,
                        float* scratch) {
  const int64_t stride = p.inputs * kPanel;
  for (int64_t input = 0; input < p.inputs; input += kDepthBlock) {
    PanelBlock<W> block{nullptr, stride, row, rows, 0, input, smaller(kDepthBlock, p.inputs - input)};
    int64_t panel = begin;
    const auto turn = [&] {
      block.weight = static_cast<const W*>(p.weight) + panel * stride + input * kPanel;
      block.output = panel * kPanel;
    };
    for (; panel + Tile::kPanels <= end; panel += Tile::kPanels) {
      turn();
      panel_block_widened<W, Tile::kRows, Tile::kPanels>(p, block, scratch);
    }
    for (; panel < end; ++panel) {
      turn();
      panel_block_widened<W, Tile::kRows, 1>(p, block, scratch);
    }
  }
}

template <class W, class Tile>
inline void packed_linear_in(const PackedLinearParams& p) {
  static thread_local Scratch scratch;
  const int64_t panels = div_up(p.outputs, kPanel);
  const int64_t threads = omp_get_max_threads();
  const int64_t blocks = div_up(p.rows, kRowBlock);
  const int64_t block_rows = round_up(div_up(p.rows, blocks), Tile::kRows);
  const int64_t turns = larger<int64_t>(1, threads * kTurns / blocks);
  const int64_t group = round_up(div_up(panels, turns), Tile::kPanels);
  constexpr bool kWidens = Tile::kWidens && !std::is_same_v<W, float>;
#pragma omp parallel for collapse(2) schedule(dynamic)
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t begin = 0; begin < panels; begin += group) {
      const int64_t row = block * block_rows;
      float* room = kWidens ? scratch.reserve(Tile::kPanels * kDepthBlock * kPanel) : nullptr;
      const int64_t rows = smaller(block_rows, p.rows - row);
      if (rows > 0) panel_range<W, Tile>(p, row, rows, begin, smaller(begin + group, panels), room);
    }
  }
}

inline void packed_linear(const PackedLinearParams& params) {
  if (params.rows == 0) return;
  with_type(params.weight_dtype, [&](auto typed) {
    using W = Element<decltype(typed)>;
    if (params.rows == 1) return packed_linear_in<W, OneRow>(params);
    if (params.rows <= SomeRows::kRows) return packed_linear_in<W, SomeRows>(params);
    if (params.rows < kBatchFrom) return packed_linear_in<W, SeveralRows>(params);
    if (params.rows < kManyFrom) return packed_linear_in<W, BatchRows>(params);
    packed_linear_in<W, ManyRows>(params);
  });
}

}  // namespace superinfer::SUPERINFER_ISA
