// The layers of a Llama-like model in one call: between two kernels, a call from Python takes longer than the smaller of
// them does.
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/function.h>

#include "bindings.h"
#include "checks.h"

namespace superinfer {
namespace {

using tvm::ffi::Array;
using tvm::ffi::Optional;
using tvm::ffi::Tensor;

// What one layer is made of, in the order in which Python lists it.
struct LayerWeights {
  static constexpr int64_t kTensors = 10;

  Tensor attention_norm, qkv, output, mlp_norm, gate_up, down;
  Optional<TensorView> qkv_bias, output_bias, gate_up_bias, down_bias;

  LayerWeights(const Array<Optional<Tensor>>& all, int64_t layer) {
    const auto at = [&](int64_t i) { return all[layer * kTensors + i]; };
    const auto bias = [&](int64_t i) {
      const Optional<Tensor> tensor = at(i);
      return tensor.has_value() ? Optional<TensorView>(TensorView((*tensor).GetDLTensorPtr())) : Optional<TensorView>();
    };
    attention_norm = at(0).value();
    qkv = at(1).value(), qkv_bias = bias(2);
    output = at(3).value(), output_bias = bias(4);
    mlp_norm = at(5).value();
    gate_up = at(6).value(), gate_up_bias = bias(7);
    down = at(8).value(), down_bias = bias(9);
  }
};

void decoder_layers(TensorView residual, TensorView x, TensorView qkv, TensorView q, TensorView k, TensorView v,
                    TensorView attended, TensorView by_head, TensorView gate_up, TensorView gated,
                    TensorView positions, TensorView cos_sin, bool interleaved, Array<Optional<Tensor>> weights,
                    Array<Tensor> caches, Array<int64_t> windows, TensorView loc, TensorView req_to_token,
                    TensorView rows, TensorView seq_lens, Optional<TensorView> prefix_lens,
                    Optional<TensorView> qo_indptr, Optional<TensorView> slots, double eps, double scale,
                    double logit_cap) {
  const int64_t layers = int64_t(windows.size());
  SUPERINFER_CHECK(int64_t(weights.size()) == layers * LayerWeights::kTensors && int64_t(caches.size()) == 2 * layers,
                   "weights and caches must list " << LayerWeights::kTensors << " and 2 tensors a layer");
  for (int64_t layer = 0; slots.has_value() && layer < layers; ++layer) {
    SUPERINFER_CHECK(windows[layer] < 0, "windows must be negative on a cache of several formats");
  }
  for (int64_t layer = 0; layer < layers; ++layer) {
    const LayerWeights weight(weights, layer);
    const Tensor k_tensor = caches[2 * layer], v_tensor = caches[2 * layer + 1];
    const TensorView k_cache(k_tensor), v_cache(v_tensor);
    rms_norm(residual, weight.attention_norm, x, eps);
    packed_linear(x, weight.qkv, weight.qkv_bias, qkv, false);
    rope(q, k, positions, cos_sin, interleaved);
    kv_store(k, v, k_cache, v_cache, loc);
    if (slots.has_value() && prefix_lens.has_value()) {
      mixed_extend_attention(q, k_cache, v_cache, *slots, req_to_token, rows, seq_lens, *prefix_lens, *qo_indptr,
                             by_head, scale, true, logit_cap);
    } else if (slots.has_value()) {
      mixed_decode_attention(q, k_cache, v_cache, *slots, req_to_token, rows, seq_lens, by_head, scale, logit_cap);
    } else if (prefix_lens.has_value()) {
      extend_attention(q, k_cache, v_cache, req_to_token, rows, seq_lens, *prefix_lens, *qo_indptr, by_head, scale,
                       true, logit_cap, windows[layer]);
    } else {
      decode_attention(q, k_cache, v_cache, req_to_token, rows, seq_lens, by_head, scale, logit_cap, windows[layer]);
    }
    packed_linear(attended, weight.output, weight.output_bias, residual, true);
    rms_norm(residual, weight.mlp_norm, x, eps);
    packed_linear(x, weight.gate_up, weight.gate_up_bias, gate_up, false);
    silu_and_mul(gate_up, gated);
    packed_linear(gated, weight.down, weight.down_bias, residual, true);
  }
}

}  // namespace

TVM_FFI_DLL_EXPORT_TYPED_FUNC(decoder_layers, decoder_layers);

}  // namespace superinfer
