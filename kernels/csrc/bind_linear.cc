// Bindings of what works on packed weights.
#include <tvm/ffi/function.h>
#include <tvm/ffi/optional.h>

#include "bindings.h"
#include "checks.h"
#include "dispatch.h"

namespace superinfer {
namespace {

const float* bias_of(const tvm::ffi::Optional<TensorView>& bias, int64_t outputs) {
  if (!bias.has_value()) return nullptr;
  const TensorView vector = *bias;
  check_tensor(vector, "bias", 1);
  check_size(vector, "bias", 0, outputs);
  check_contiguous(vector, "bias");
  check_same_dtype(dtype_of(vector, "bias"), "bias", DType::kFloat32, "float32");
  return static_cast<const float*>(vector.data_ptr());
}

}  // namespace

void packed_linear(TensorView x, TensorView weight, tvm::ffi::Optional<TensorView> bias, TensorView out,
                   bool accumulate) {
  PackedLinearParams params;
  params.x_stride = row_stride(x, "x");
  check_same_dtype(dtype_of(x, "x"), "x", DType::kFloat32, "float32");
  params.rows = x.size(0);
  params.inputs = x.size(1);
  SUPERINFER_CHECK(params.inputs > 0, "x must have at least one column");
  check_rows(out, "out", x, DType::kFloat32);
  params.outputs = out.size(1);
  check_tensor(weight, "weight", 3);
  check_contiguous(weight, "weight");
  check_size(weight, "weight", 0, (params.outputs + kPanel - 1) / kPanel);
  check_size(weight, "weight", 1, params.inputs);
  check_size(weight, "weight", 2, kPanel);
  params.x = static_cast<const float*>(x.data_ptr());
  params.weight = weight.data_ptr();
  params.weight_dtype = dtype_of(weight, "weight");
  params.bias = bias_of(bias, params.outputs);
  params.out = static_cast<float*>(out.data_ptr());
  params.out_stride = out.stride(0);
  params.accumulate = accumulate;
  kernels().packed_linear(params);
}

static void unpack_rows(TensorView weight, TensorView rows, TensorView out) {
  UnpackRowsParams params;
  check_tensor(weight, "weight", 3);
  check_contiguous(weight, "weight");
  check_size(weight, "weight", 2, kPanel);
  params.out_stride = row_stride(out, "out");
  check_same_dtype(dtype_of(out, "out"), "out", DType::kFloat32, "float32");
  check_size(out, "out", 1, weight.size(1));
  params.count = out.size(0);
  params.inputs = weight.size(1);
  params.rows = integers<int64_t>(rows, "rows", params.count);
  check_range(params.rows, params.count, "rows", weight.size(0) * kPanel);
  params.weight = weight.data_ptr();
  params.weight_dtype = dtype_of(weight, "weight");
  params.out = static_cast<float*>(out.data_ptr());
  kernels().unpack_rows(params);
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(packed_linear, packed_linear);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(unpack_rows, unpack_rows);

}  // namespace superinfer
