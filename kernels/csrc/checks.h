// Checks of the arguments. Every failure names the argument and says what was expected.
#pragma once

#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/error.h>

#include "superinfer/params.h"

namespace superinfer {

using tvm::ffi::TensorView;

#define SUPERINFER_CHECK(condition, message) \
  if (!(condition)) TVM_FFI_THROW(ValueError) << message

inline DType dtype_of(const TensorView& x, const char* name) {
  const DLDataType type = x.dtype();
  if (type.code == kDLFloat && type.bits == 32 && type.lanes == 1) return DType::kFloat32;
  if (type.code == kDLFloat && type.bits == 16 && type.lanes == 1) return DType::kFloat16;
  if (type.code == kDLBfloat && type.bits == 16 && type.lanes == 1) return DType::kBFloat16;
  TVM_FFI_THROW(TypeError) << name << " must be float32, float16 or bfloat16";
  return DType::kFloat32;
}

inline void check_tensor(const TensorView& x, const char* name, int ndim) {
  SUPERINFER_CHECK(x.device().device_type == kDLCPU, name << " must be on the CPU");
  SUPERINFER_CHECK(x.ndim() == ndim, name << " must have " << ndim << " dimensions, not " << x.ndim());
}

inline void check_size(const TensorView& x, const char* name, int axis, int64_t size) {
  SUPERINFER_CHECK(x.size(axis) == size,
                   name << " must have size " << size << " in dimension " << axis << ", not " << x.size(axis));
}

// A dimension of one element may have any stride.
inline void check_dense(const TensorView& x, const char* name, int axis, int64_t stride) {
  SUPERINFER_CHECK(x.size(axis) <= 1 || x.stride(axis) == stride,
                   name << " must have stride " << stride << " in dimension " << axis << ", not " << x.stride(axis));
}

inline void check_contiguous(const TensorView& x, const char* name) {
  SUPERINFER_CHECK(x.IsContiguous(), name << " must be contiguous");
}

inline void check_same_dtype(DType a, const char* a_name, DType b, const char* b_name) {
  if (a != b) TVM_FFI_THROW(TypeError) << a_name << " and " << b_name << " must have the same dtype";
}

// A contiguous vector of integers of this width.
template <class Integer>
const Integer* integers(const TensorView& x, const char* name, int64_t size) {
  constexpr int kBits = 8 * sizeof(Integer);
  check_tensor(x, name, 1);
  check_size(x, name, 0, size);
  check_contiguous(x, name);
  if (x.dtype().code != kDLInt || x.dtype().bits != kBits) TVM_FFI_THROW(TypeError) << name << " must be int" << kBits;
  return static_cast<const Integer*>(x.data_ptr());
}

inline void check_range(const int64_t* values, int64_t count, const char* name, int64_t end) {
  for (int64_t i = 0; i < count; ++i) {
    SUPERINFER_CHECK(values[i] >= 0 && values[i] < end,
                     name << "[" << i << "] is " << values[i] << ", must be at least 0 and below " << end);
  }
}

// [tokens, heads, dim], the last dimension dense.
inline Rows rows_of(const TensorView& x, const char* name) {
  check_tensor(x, name, 3);
  check_dense(x, name, 2, 1);
  return {x.data_ptr(), dtype_of(x, name), x.stride(0), x.stride(1)};
}

// [tokens, width], the rows dense.
inline int64_t row_stride(const TensorView& x, const char* name) {
  check_tensor(x, name, 2);
  check_dense(x, name, 1, 1);
  return x.stride(0);
}

inline void check_rows(const TensorView& x, const char* name, const TensorView& like, DType dtype) {
  row_stride(x, name);
  check_size(x, name, 0, like.size(0));
  check_same_dtype(dtype_of(x, name), name, dtype, "x");
}

inline KvPool pool_of(const TensorView& k_cache, const TensorView& v_cache) {
  check_tensor(k_cache, "k_cache", 3);
  check_tensor(v_cache, "v_cache", 3);
  check_contiguous(k_cache, "k_cache");
  check_contiguous(v_cache, "v_cache");
  check_size(v_cache, "v_cache", 0, k_cache.size(0));
  check_size(v_cache, "v_cache", 1, k_cache.size(1));
  SUPERINFER_CHECK(k_cache.size(1) > 0, "k_cache must have at least one head");
  SUPERINFER_CHECK(k_cache.size(2) > 0 && k_cache.size(2) % 8 == 0,
                   "k_cache's head dimension must be a multiple of 8, not " << k_cache.size(2));
  SUPERINFER_CHECK(v_cache.size(2) > 0 && v_cache.size(2) % 8 == 0,
                   "v_cache's head dimension must be a multiple of 8, not " << v_cache.size(2));
  const DType dtype = dtype_of(k_cache, "k_cache");
  check_same_dtype(dtype, "k_cache", dtype_of(v_cache, "v_cache"), "v_cache");
  return {k_cache.data_ptr(), v_cache.data_ptr(),  dtype, k_cache.size(0), int(k_cache.size(1)), int(k_cache.size(2)),
          int(v_cache.size(2))};
}

}  // namespace superinfer
