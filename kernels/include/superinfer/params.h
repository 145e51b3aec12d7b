// Arguments of the kernels: raw pointers, sizes and strides (in elements). Nothing here knows a framework.
#pragma once

#include <cstdint>

#include "superinfer/types.h"

namespace superinfer {

enum class Status : int {
  kOk = 0,
  kBadSlot = 1,      // the slot table names a slot outside the pool
  kOutOfMemory = 2,  // scratch memory could not be had
};

// Rows of `heads` vectors. The vectors themselves are contiguous.
struct Rows {
  void* data;
  DType dtype;
  int64_t token_stride;
  int64_t head_stride;
};

// One layer's KV cache: contiguous [slots, heads, k_dim] and [slots, heads, v_dim].
struct KvPool {
  void* k;
  void* v;
  DType dtype;
  int64_t slots;
  int heads;
  int k_dim;
  int v_dim;
};

// Tokens of a page of a mixed pool, which share the scale and the zero of a key channel.
constexpr int kPageTokens = 32;

// Channels of a value vector that share a scale and a zero.
constexpr int kValueGroup = 32;

// One layer's KV cache in several formats, whose pages all count from the beginning of the same memory.
// python/superinfer/kv/layout.py says how a page lies there, and regions.py how slots are numbered.
struct MixedPool {
  uint8_t* k;
  uint8_t* v;
  KvPool native;        // native slots of the same memory
  int64_t int8_slot;    // first slot of the int8 format, a multiple of kPageTokens
  int64_t int4_slot;    // first slot of the int4 format, likewise
  int64_t end_slot;     // after the last slot
  int64_t k_bytes;      // of the memory
  int64_t v_bytes;
};

// Where each position of each request lies in the pool, and which positions there are.
struct Batch {
  int64_t requests;
  const int32_t* slot_table;
  int64_t table_stride;
  const int64_t* rows;      // request -> row of the slot table
  const int64_t* seq_lens;  // request -> number of keys
};

struct Scores {
  float scale;
  float logit_cap;  // 0: none; else cap * tanh(score / cap)
  int64_t window;   // keys a query sees, itself included; negative: all
};

struct DecodeParams {
  Rows q;    // [requests, q_heads, k_dim]
  Rows out;  // [requests, q_heads, v_dim]
  int q_heads;
  KvPool pool;
  Batch batch;
  Scores scores;
};

struct ExtendParams {
  Rows q;    // [tokens, q_heads, k_dim]
  Rows out;  // [tokens, q_heads, v_dim]
  int q_heads;
  KvPool pool;
  Batch batch;
  const int64_t* prefix_lens;  // request -> position of its first query
  const int64_t* qo_indptr;    // request -> its first row in q; requests + 1 numbers
  Scores scores;
  bool causal;
};

struct KvStoreParams {
  Rows k;
  Rows v;
  KvPool pool;
  const int64_t* slots;
  int64_t tokens;
};

struct MixedDecodeParams {
  DecodeParams plain;  // with the native pool; no window
  MixedPool pool;
};

struct MixedExtendParams {
  ExtendParams plain;  // likewise
  MixedPool pool;
};

// Pages to copy into a coarser format, each given by its first slot.
struct SealParams {
  MixedPool pool;
  const int64_t* from;
  const int64_t* to;
  int64_t pages;
};

struct NormParams {
  void* x;
  void* residual;  // null: plain norm; else x + residual is written here first
  void* out;
  const void* weight;
  DType dtype;
  DType weight_dtype;
  int64_t x_stride;
  int64_t residual_stride;
  int64_t out_stride;
  int64_t tokens;
  int64_t width;
  float eps;
};

struct RopeParams {
  Rows q;
  Rows k;
  int q_heads;
  int k_heads;
  const int64_t* positions;
  const float* cos_sin;  // [positions, rotary_dim]: rotary_dim / 2 cosines, then as many sines
  int64_t tokens;
  int rotary_dim;
  bool interleaved;  // pairs (2i, 2i + 1) rather than (i, i + rotary_dim / 2)
};

struct SiluMulParams {
  const void* x;  // [tokens, 2 * width]: gate, then up
  void* out;      // [tokens, width]
  DType dtype;
  int64_t x_stride;
  int64_t out_stride;
  int64_t tokens;
  int64_t width;
};

// Outputs that lie side by side in a packed weight: a whole number of vectors on every instruction set.
constexpr int kPanel = 16;

struct PackedLinearParams {
  const float* x;      // [rows, inputs]
  const void* weight;  // contiguous [outputs / kPanel rounded up, inputs, kPanel]
  const float* bias;   // null, or [outputs]
  float* out;          // [rows, outputs]
  DType weight_dtype;
  int64_t x_stride;
  int64_t out_stride;
  int64_t rows;
  int64_t outputs;
  int64_t inputs;
  bool accumulate;  // add to what is in out
};

struct UnpackRowsParams {
  const void* weight;  // as in PackedLinearParams
  DType weight_dtype;
  const int64_t* rows;  // [count], each in one of the panels
  float* out;           // [count, inputs]
  int64_t out_stride;
  int64_t count;
  int64_t inputs;
};

struct ArgmaxParams {
  const float* x;
  int64_t x_stride;
  int64_t* out;
  int64_t rows;
  int64_t width;
};

}  // namespace superinfer
