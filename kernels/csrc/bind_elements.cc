// Bindings of the kernels on plain rows of numbers, and of the choice of instruction set.
#include <tvm/ffi/function.h>
#include <tvm/ffi/string.h>

#include "bindings.h"
#include "checks.h"
#include "dispatch.h"

namespace superinfer {
namespace {

NormParams norm_of(const TensorView& x, const TensorView& weight, const TensorView& out, double eps) {
  NormParams params{};
  params.x_stride = row_stride(x, "x");
  params.dtype = dtype_of(x, "x");
  params.tokens = x.size(0);
  params.width = x.size(1);
  check_rows(out, "out", x, params.dtype);
  check_size(out, "out", 1, params.width);
  check_tensor(weight, "weight", 1);
  check_size(weight, "weight", 0, params.width);
  check_contiguous(weight, "weight");
  params.x = x.data_ptr();
  params.out = out.data_ptr();
  params.out_stride = out.stride(0);
  params.weight = weight.data_ptr();
  params.weight_dtype = dtype_of(weight, "weight");
  params.eps = float(eps);
  return params;
}

}  // namespace

void rms_norm(TensorView x, TensorView weight, TensorView out, double eps) {
  kernels().rms_norm(norm_of(x, weight, out, eps));
}

static void fused_add_rms_norm(TensorView x, TensorView residual, TensorView weight, double eps) {
  NormParams params = norm_of(x, weight, x, eps);
  check_rows(residual, "residual", x, params.dtype);
  check_size(residual, "residual", 1, params.width);
  params.residual = residual.data_ptr();
  params.residual_stride = residual.stride(0);
  kernels().rms_norm(params);
}

void rope(TensorView q, TensorView k, TensorView positions, TensorView cos_sin, bool interleaved) {
  RopeParams params;
  params.q = rows_of(q, "q");
  params.k = rows_of(k, "k");
  params.tokens = q.size(0);
  params.q_heads = int(q.size(1));
  params.k_heads = int(k.size(1));
  check_size(k, "k", 0, params.tokens);
  check_same_dtype(params.q.dtype, "q", params.k.dtype, "k");
  check_tensor(cos_sin, "cos_sin_cache", 2);
  check_contiguous(cos_sin, "cos_sin_cache");
  check_same_dtype(dtype_of(cos_sin, "cos_sin_cache"), "cos_sin_cache", DType::kFloat32, "float32");
  params.rotary_dim = int(cos_sin.size(1));
  SUPERINFER_CHECK(params.rotary_dim % 2 == 0 && params.rotary_dim <= q.size(2) && params.rotary_dim <= k.size(2),
                   "cos_sin_cache's width must be even and at most the head dimension, not " << params.rotary_dim);
  params.cos_sin = static_cast<const float*>(cos_sin.data_ptr());
  params.positions = integers<int64_t>(positions, "positions", params.tokens);
  check_range(params.positions, params.tokens, "positions", cos_sin.size(0));
  params.interleaved = interleaved;
  kernels().rope(params);
}

void silu_and_mul(TensorView x, TensorView out) {
  SiluMulParams params;
  params.x_stride = row_stride(x, "x");
  params.dtype = dtype_of(x, "x");
  params.tokens = x.size(0);
  params.width = x.size(1) / 2;
  SUPERINFER_CHECK(x.size(1) % 2 == 0, "x must have an even width: gate, then up");
  check_rows(out, "out", x, params.dtype);
  check_size(out, "out", 1, params.width);
  params.x = x.data_ptr();
  params.out = out.data_ptr();
  params.out_stride = out.stride(0);
  kernels().silu_and_mul(params);
}

static void argmax(TensorView x, TensorView out) {
  ArgmaxParams params;
  params.x_stride = row_stride(x, "logits");
  if (dtype_of(x, "logits") != DType::kFloat32) TVM_FFI_THROW(TypeError) << "logits must be float32";
  SUPERINFER_CHECK(x.size(1) > 0, "logits must have at least one column");
  params.x = static_cast<const float*>(x.data_ptr());
  params.rows = x.size(0);
  params.width = x.size(1);
  params.out = const_cast<int64_t*>(integers<int64_t>(out, "out", params.rows));
  kernels().argmax(params);
}

// Comma-separated, widest first.
static tvm::ffi::String isas() {
  std::string joined;
  for (const std::string& name : supported_isas()) joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

static tvm::ffi::String isa() { return kernels().name; }

static bool choose_isa(tvm::ffi::String name) { return use_isa(name); }

TVM_FFI_DLL_EXPORT_TYPED_FUNC(rms_norm, rms_norm);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(fused_add_rms_norm, fused_add_rms_norm);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(rope, rope);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(silu_and_mul, silu_and_mul);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(argmax, argmax);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(isas, isas);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(isa, isa);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(choose_isa, choose_isa);

}  // namespace superinfer
