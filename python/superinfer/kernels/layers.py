"""All layers of a Llama-like model in one call: between kernels, a call from Python takes longer than the small ones.

Wrong shapes and numbers raise ``ValueError``, wrong dtypes ``TypeError``; both name the argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from superinfer.kernels.library import library

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """What one layer is made of; linear weights are packed, norms and biases float32.

    Attributes:
        attention_norm: ``[hidden]``.
        qkv: To queries, keys and values side by side.
        output: From all heads' values to ``hidden``.
        mlp_norm: ``[hidden]``.
        gate_up: To gate and up side by side.
        down: From the gated product to ``hidden``.
    """

    attention_norm: "torch.Tensor"
    qkv: "torch.Tensor"
    qkv_bias: "torch.Tensor | None"
    output: "torch.Tensor"
    output_bias: "torch.Tensor | None"
    mlp_norm: "torch.Tensor"
    gate_up: "torch.Tensor"
    gate_up_bias: "torch.Tensor | None"
    down: "torch.Tensor"
    down_bias: "torch.Tensor | None"


@dataclass(frozen=True, slots=True)
class LayerBuffers:
    """Where layers leave what passes between their parts; all float32, shared by all layers.

    Attributes:
        x: ``[tokens, hidden]``.
        qkv: ``[tokens, (q_heads + kv_heads) * head_dim + kv_heads * v_head_dim]``.
        q: The part of ``qkv`` with the queries, ``[tokens, q_heads, head_dim]``; ``k`` and ``v`` likewise.
        attended: ``[tokens, q_heads * v_head_dim]``.
        by_head: ``attended`` as ``[tokens, q_heads, v_head_dim]``.
        gate_up: ``[tokens, 2 * inner]``.
        gated: ``[tokens, inner]``.
    """

    x: "torch.Tensor"
    qkv: "torch.Tensor"
    q: "torch.Tensor"
    k: "torch.Tensor"
    v: "torch.Tensor"
    attended: "torch.Tensor"
    by_head: "torch.Tensor"
    gate_up: "torch.Tensor"
    gated: "torch.Tensor"


@dataclass(frozen=True, slots=True)
class PagedTokens:
    """Where the tokens of a step stand, and where their keys and values go; tensors as in ``kernels.attention``.

    Attributes:
        positions: int64 ``[tokens]``.
        loc: int64 ``[tokens]``, the slots to write.
        req_to_token: Slots of each position of each request.
        rows: Rows of it, one per request.
        seq_lens: Keys of each request.
        extends: Lengths of the cached prefixes, and where each request's queries begin; ``None`` for a decode step.
        slots: Where the formats of the caches begin, as in ``kernels.mixed``; ``None`` if all slots are native.
    """

    positions: "torch.Tensor"
    loc: "torch.Tensor"
    req_to_token: "torch.Tensor"
    rows: "torch.Tensor"
    seq_lens: "torch.Tensor"
    extends: "tuple[torch.Tensor, torch.Tensor] | None"
    slots: "torch.Tensor | None" = None


def listed(tensors: "Sequence[torch.Tensor | None]") -> Any:
    """Tensors in the form in which a call takes many of them at no cost per tensor. It keeps them alive."""
    import tvm_ffi

    return tvm_ffi.convert([None if tensor is None else tvm_ffi.from_dlpack(tensor) for tensor in tensors])


def list_weights(layers: Sequence[LayerWeights]) -> Any:
    """The weights of all layers, for :func:`decoder_layers`."""
    return listed([getattr(layer, name) for layer in layers for name in LayerWeights.__slots__])


def decoder_layers(
    residual: "torch.Tensor",
    buffers: LayerBuffers,
    tokens: PagedTokens,
    weights: Any,
    caches: Any,
    *,
    cos_sin: "torch.Tensor",
    interleaved: bool,
    windows: Sequence[int],
    eps: float,
    scale: float,
    logit_cap: float = 0.0,
) -> None:
    """Run all layers on ``residual``, float32 ``[tokens, hidden]``, in place.

    Args:
        residual: What goes into the first layer, and comes out of the last.
        buffers: Room for intermediate results.
        tokens: What the step computes.
        weights: From :func:`list_weights`.
        caches: ``listed`` keys and values of each layer in turn.
        cos_sin: float32 ``[positions, rotary_dim]``.
        interleaved: As in ``kernels.rope``.
        windows: Keys that a query of each layer sees; negative for all, as they must be on several formats.
        eps: Of the norms.
        scale: Of the scores.
        logit_cap: Of the scores; 0 for none.
    """
    prefix_lens, qo_indptr = tokens.extends or (None, None)
    library().decoder_layers(
        residual,
        *(getattr(buffers, name) for name in LayerBuffers.__slots__),
        tokens.positions,
        cos_sin,
        interleaved,
        weights,
        caches,
        windows,
        tokens.loc,
        tokens.req_to_token,
        tokens.rows,
        tokens.seq_lens,
        prefix_lens,
        qo_indptr,
        tokens.slots,
        eps,
        scale,
        logit_cap,
    )
