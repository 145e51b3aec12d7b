// A small matrix product whose operands fit in the cache.
#pragma once

#include "superinfer/simd.h"

namespace superinfer::SUPERINFER_ISA {

// Rows of a register tile. With two vectors of columns it fills the registers of AVX2; higher tiles gain nothing more.
constexpr int kTileRows = kWidth >= 8 ? 6 : 4;

struct Product {
  int depth;
  const float* a;  // [rows, depth]
  int64_t a_stride;
  const float* b;  // [depth, columns], a multiple of kWidth columns
  int64_t b_stride;
  float* c;  // [rows, columns]
  int64_t c_stride;
  const float* decay;  // null: c = a * b; else c[i] = c[i] * decay[i] + a[i] * b
};

template <int ROWS, int VECS>
SUPERINFER_INLINE void product_tile(const Product& p, int row, int column) {
  const float* a = p.a + row * p.a_stride;
  const float* b = p.b + column;
  float* c = p.c + row * p.c_stride + column;
  Vec sum[ROWS][VECS];
  for (int i = 0; i < ROWS; ++i) {
    for (int j = 0; j < VECS; ++j) {
      sum[i][j] = p.decay == nullptr ? set1(0.0f) : load(c + i * p.c_stride + j * kWidth) * set1(p.decay[row + i]);
    }
  }
  for (int k = 0; k < p.depth; ++k) {
    Vec right[VECS];
    for (int j = 0; j < VECS; ++j) right[j] = load(b + k * p.b_stride + j * kWidth);
    for (int i = 0; i < ROWS; ++i) {
      const Vec left = set1(a[i * p.a_stride + k]);
      for (int j = 0; j < VECS; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
  for (int i = 0; i < ROWS; ++i) {
    for (int j = 0; j < VECS; ++j) store(c + i * p.c_stride + j * kWidth, sum[i][j]);
  }
}

template <int VECS>
SUPERINFER_INLINE void product_column(const Product& p, int rows, int column) {
  int row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) product_tile<kTileRows, VECS>(p, row, column);
  for (; row + 4 <= rows; row += 4) product_tile<4, VECS>(p, row, column);
  for (; row < rows; ++row) product_tile<1, VECS>(p, row, column);
}

// Column panels outside, so that a panel of b stays in the first-level cache while the rows of a pass by.
inline void multiply(const Product& p, int rows, int columns) {
  int column = 0;
  for (; column + 2 * kWidth <= columns; column += 2 * kWidth) product_column<2>(p, rows, column);
  for (; column < columns; column += kWidth) product_column<1>(p, rows, column);
}

}  // namespace superinfer::SUPERINFER_ISA
