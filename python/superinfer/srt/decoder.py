"""The layers of Llama-like models in one call of kernels.

SGLang's modules cost more Python per layer than a small model's arithmetic takes: measured at one request, 13 of 48 ms.
The call runs the same operators in the same order, on buffers that all layers share.
"""

from collections.abc import Callable
from typing import Any

import torch
from sglang.srt.layers.layernorm import RMSNorm
from sglang.srt.model_executor.forward_context import get_attn_backend
from sglang.srt.models.llama import LlamaDecoderLayer, LlamaModel
from sglang.srt.models.qwen2 import Qwen2DecoderLayer, Qwen2Model
from sglang.srt.runtime_context import get_lora, get_parallel

from superinfer import kernels
from superinfer.kernels.layers import LayerBuffers, LayerWeights, list_weights, listed
from superinfer.srt.attention import CpuAttentionBackend, window_of
from superinfer.srt.fused_ops import is_plain_norm, is_plain_rotary
from superinfer.srt.linear import PackedLinearMethod
from superinfer.srt.workspace import Workspace

MODELS = (LlamaModel, Qwen2Model)
LAYERS = (LlamaDecoderLayer, Qwen2DecoderLayer)


def weights_of(layer: Any) -> LayerWeights:
    """The weights of a decoder layer whose linear layers ``pack_weights`` has packed."""
    attention, mlp = layer.self_attn, layer.mlp
    return LayerWeights(
        layer.input_layernorm.weight.data,
        *_linear(attention.qkv_proj),
        *_linear(attention.o_proj),
        layer.post_attention_layernorm.weight.data,
        *_linear(mlp.gate_up_proj),
        *_linear(mlp.down_proj),
    )


def _linear(layer: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    return layer.packed_weight, None if layer.bias is None else layer.bias.data


class LeanDecoder:
    """Takes the place of a model's ``forward``; what it does not cover goes to the one it replaces.

    Args:
        model: A model for which :func:`suits` holds.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._modules_forward: Callable[..., Any] = model.forward
        self._attention = [layer.self_attn.attn for layer in model.layers]
        self._inner = model.layers[0].mlp.down_proj.packed_weight.shape[1]
        self._weights = list_weights([weights_of(layer) for layer in model.layers])
        self._windows = [window_of(attention) for attention in self._attention]
        self._caches: Any = None
        self._caches_of: Any = None
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
            and backend.covers(self._attention[0])
        )

    def _run_layers(self, backend: Any, residual: torch.Tensor, positions: torch.Tensor, forward_batch: Any) -> None:
        first = self._attention[0]
        # All layers run in one call: what a load from the host still brings has to be there before.
        backend.token_to_kv_pool.get_key_buffer(self._attention[-1].layer_id)
        kernels.decoder_layers(
            residual,
            self._buffers(*residual.shape),
            backend.paged_tokens(positions, forward_batch),
            self._weights,
            self._listed_caches(backend.token_to_kv_pool),
            cos_sin=self._rotary.cos_sin_cache_as(torch.float32),
            interleaved=not self._rotary.is_neox_style,
            windows=self._windows,
            eps=self._eps,
            scale=first.scaling,
            logit_cap=first.logit_cap or 0.0,
        )

    def _buffers(self, tokens: int, hidden: int) -> LayerBuffers:
        first = self._attention[0]
        heads, kv_heads = first.tp_q_head_num, first.tp_k_head_num
        dim, v_dim = first.qk_head_dim, first.v_head_dim
        parts = [heads * dim, kv_heads * dim, kv_heads * v_dim]
        x, qkv, attended, gate_up, gated = self._workspace.rows(
            tokens, (hidden, sum(parts), heads * v_dim, 2 * self._inner, self._inner)
        )
        q, k, v = qkv.split(parts, dim=1)
        return LayerBuffers(
            x,
            qkv,
            q.unflatten(1, (heads, dim)),
            k.unflatten(1, (kv_heads, dim)),
            v.unflatten(1, (kv_heads, v_dim)),
            attended,
            attended.unflatten(1, (heads, v_dim)),
            gate_up,
            gated,
        )

    def _listed_caches(self, pool: Any) -> Any:
        if self._caches_of is not pool.k_buffer:  # the pool makes new ones when it gives memory back and takes it again
            ids = [attention.layer_id for attention in self._attention]
            pairs = [(pool.get_key_buffer(index), pool.get_value_buffer(index)) for index in ids]
            self._caches, self._caches_of = listed([cache for pair in pairs for cache in pair]), pool.k_buffer
        return self._caches


def install(model: torch.nn.Module) -> bool:
    """Run the layers of ``model`` in one call of kernels, if it is of a kind that allows it. Returns whether it is."""
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
        and len({(layer.self_attn.attn.scaling, layer.self_attn.attn.logit_cap) for layer in model.layers}) == 1
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
