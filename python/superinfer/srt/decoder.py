"""The layers of Llama-like models as one loop over kernels.

SGLang's modules cost more Python per layer than a small model's arithmetic takes: measured at one request, 13 of 48 ms.
The loop below runs the same operators in the same order, on buffers that all layers share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sglang.srt.layers.layernorm import RMSNorm
from sglang.srt.model_executor.forward_context import get_attn_backend
from sglang.srt.models.llama import LlamaDecoderLayer, LlamaModel
from sglang.srt.models.qwen2 import Qwen2DecoderLayer, Qwen2Model
from sglang.srt.runtime_context import get_lora, get_parallel

from superinfer import kernels
from superinfer.srt.attention import CpuAttentionBackend
from superinfer.srt.fused_ops import is_plain_norm, is_plain_rotary
from superinfer.srt.linear import PackedLinearMethod
from superinfer.srt.workspace import Workspace

MODELS = (LlamaModel, Qwen2Model)
LAYERS = (LlamaDecoderLayer, Qwen2DecoderLayer)


@dataclass(frozen=True, slots=True)
class Linear:
    """A packed weight ``[panels, in, panel]`` and the bias, if there is one, ``[out]``."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    @classmethod
    def of(cls, layer: Any) -> "Linear":
        """From a layer that ``pack_weights`` has packed."""
        return cls(layer.packed_weight, None if layer.bias is None else layer.bias.data)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one decoder layer is made of."""

    attention: Any
    attention_norm: torch.Tensor
    qkv: Linear
    output: Linear
    mlp_norm: torch.Tensor
    gate_up: Linear
    down: Linear

    @classmethod
    def of(cls, layer: Any) -> "Layer":
        """From a decoder layer whose linear layers are packed."""
        attention, mlp = layer.self_attn, layer.mlp
        return cls(
            attention.attn,
            layer.input_layernorm.weight.data,
            Linear.of(attention.qkv_proj),
            Linear.of(attention.o_proj),
            layer.post_attention_layernorm.weight.data,
            Linear.of(mlp.gate_up_proj),
            Linear.of(mlp.down_proj),
        )


class LeanDecoder:
    """Takes the place of a model's ``forward``; what it does not cover goes to the one it replaces.

    Args:
        model: A model for which :func:`suits` holds.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._modules_forward: Callable[..., Any] = model.forward
        self._layers = [Layer.of(layer) for layer in model.layers]
        self._eps = model.norm.variance_epsilon
        self._norm = model.norm.weight.data
        self._rotary = model.layers[0].self_attn.rotary_emb
        self._workspace = Workspace()

    def __call__(
        self,
        input_ids: torch.Tensor,
        positions: torch.Tensor,
        forward_batch: Any,
        input_embeds: torch.Tensor | None = None,
        pp_proxy_tensors: Any = None,
    ) -> Any:
        """Hidden states after the last norm, float32 ``[tokens, hidden]``."""
        backend = get_attn_backend()
        if not self._covers(backend, positions, forward_batch):
            return self._modules_forward(input_ids, positions, forward_batch, input_embeds, pp_proxy_tensors)
        residual = self._model.embed_tokens(input_ids) if input_embeds is None else input_embeds.clone()
        self._run_layers(backend, residual, positions, forward_batch)
        hidden = torch.empty_like(residual)
        kernels.rms_norm(residual, self._norm, self._eps, hidden)
        return hidden

    def _covers(self, backend: Any, positions: torch.Tensor, forward_batch: Any) -> bool:
        return (
            type(backend) is CpuAttentionBackend
            and not self._model.layers_to_capture
            and positions.dim() == 1
            and len(positions) > 0
            and backend.covers(self._layers[0].attention)
        )

    def _run_layers(self, backend: Any, residual: torch.Tensor, positions: torch.Tensor, forward_batch: Any) -> None:
        first = self._layers[0]
        attention, tokens = first.attention, residual.shape[0]
        heads, kv_heads = attention.tp_q_head_num, attention.tp_k_head_num
        dim, v_dim = attention.qk_head_dim, attention.v_head_dim
        widths = (residual.shape[1], heads * dim + kv_heads * (dim + v_dim), heads * v_dim)
        inner = first.down.weight.shape[1]
        x, qkv, attended, gate_up, gated = self._workspace.rows(tokens, (*widths, 2 * inner, inner))
        q, k, v = (
            part.unflatten(1, shape)
            for part, shape in zip(
                qkv.split([heads * dim, kv_heads * dim, kv_heads * v_dim], dim=1),
                ((heads, dim), (kv_heads, dim), (kv_heads, v_dim)),
                strict=True,
            )
        )
        by_head = attended.unflatten(1, (heads, v_dim))
        cos_sin = self._rotary.cos_sin_cache_as(torch.float32)
        interleaved = not self._rotary.is_neox_style
        for layer in self._layers:
            kernels.rms_norm(residual, layer.attention_norm, self._eps, x)
            kernels.packed_linear(x, layer.qkv.weight, qkv, bias=layer.qkv.bias)
            kernels.rope(q, k, positions, cos_sin, interleaved=interleaved)
            backend.attend(q, k, v, layer.attention, forward_batch, by_head)
            kernels.packed_linear(attended, layer.output.weight, residual, bias=layer.output.bias, accumulate=True)
            kernels.rms_norm(residual, layer.mlp_norm, self._eps, x)
            kernels.packed_linear(x, layer.gate_up.weight, gate_up, bias=layer.gate_up.bias)
            kernels.silu_and_mul(gate_up, gated)
            kernels.packed_linear(gated, layer.down.weight, residual, bias=layer.down.bias, accumulate=True)


def install(model: torch.nn.Module) -> bool:
    """Run the layers of ``model`` as one loop of kernels, if it is of a kind that allows it. Returns whether it is."""
    inner: Any = getattr(model, "model", None)
    if not suits(inner):
        return False
    inner.forward = LeanDecoder(inner)
    return True


def suits(model: Any) -> bool:
    """Whether :class:`LeanDecoder` computes what the modules of ``model`` would."""
    return (
        type(model) in MODELS
        and get_parallel().tp_size == get_parallel().pp_size == 1
        and not get_lora().enable_lora  # adapters wrap the modules
        and _is_norm(model.norm)
        and all(_is_plain_layer(layer, model.norm.variance_epsilon) for layer in model.layers)
    )


def _is_plain_layer(layer: Any, eps: float) -> bool:
    if type(layer) not in LAYERS:
        return False
    attention, mlp = layer.self_attn, layer.mlp
    linears = (attention.qkv_proj, attention.o_proj, mlp.gate_up_proj, mlp.down_proj)
    norms = (layer.input_layernorm, layer.post_attention_layernorm)
    return (
        all(type(linear.quant_method) is PackedLinearMethod for linear in linears)
        and all(_is_norm(norm) and norm.variance_epsilon == eps for norm in norms)
        and is_plain_rotary(attention.rotary_emb)
    )


def _is_norm(norm: Any) -> bool:
    return type(norm) is RMSNorm and is_plain_norm(norm) and norm.weight.dtype is torch.float32
