"""SGLang's small operators on SuperInfer's CPU kernels, where SGLang would run several torch operators each."""

from typing import Any

import torch
from sglang.kernels.fused_op import BaseFusedOp
from sglang.srt.layers.activation import SiluAndMul
from sglang.srt.layers.layernorm import RMSNorm
from sglang.srt.layers.rotary_embedding.base import RotaryEmbedding
from sglang.srt.layers.rotary_embedding.rope_variant import Llama3RotaryEmbedding

from superinfer import kernels

PLAIN_ROTARY = (RotaryEmbedding, Llama3RotaryEmbedding)
"""The variants differ only in their tables."""


def register(dispatch_key: str) -> None:
    """Register the forwards below for platforms with this dispatch key."""
    for op, forward in ((RMSNorm, rms_norm), (SiluAndMul, silu_and_mul), (RotaryEmbedding, rotary)):
        BaseFusedOp.register_oot_forward(op, forward, dispatch_key)


def rms_norm(
    self: Any, x: torch.Tensor, residual: torch.Tensor | None = None, post_residual_addition: Any = None, *args: Any
) -> Any:
    """``RMSNorm.forward``: the norm, or with ``residual`` the sum and its norm, both in place."""
    plain = (
        x.dim() == 2
        and x.is_contiguous()
        and is_plain_norm(self)
        and post_residual_addition is None
        and (residual is None or residual.dtype == x.dtype)
        and not args
    )
    if not plain:
        return self.forward_native(x, residual, post_residual_addition, *args)
    if residual is None:
        out = torch.empty_like(x)
        kernels.rms_norm(x, self.weight.data, self.variance_epsilon, out)
        return out
    kernels.fused_add_rms_norm(x, residual, self.weight.data, self.variance_epsilon)
    return x, residual


def silu_and_mul(self: Any, x: torch.Tensor) -> torch.Tensor:
    """``SiluAndMul.forward``."""
    if x.dim() != 2 or x.stride(1) != 1:
        return self.forward_native(x)
    out = x.new_empty((x.shape[0], x.shape[1] // 2))
    kernels.silu_and_mul(x, out)
    return out


def rotary(
    self: Any,
    positions: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    offsets: Any = None,
    fused_set_kv_buffer_arg: Any = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``RotaryEmbedding.forward``, in place also where query and key are parts of one projection."""
    if not is_plain_rotary(self) or offsets is not None or positions.dim() != 1 or query.dim() != 2:
        return self.forward_native(positions, query, key, offsets, fused_set_kv_buffer_arg)
    kernels.rope(
        _heads(query, self.head_size),
        _heads(key, self.head_size),
        positions,
        self.cos_sin_cache_as(torch.float32),
        interleaved=not self.is_neox_style,
    )
    return query, key


def is_plain_norm(norm: Any) -> bool:
    """Whether an ``RMSNorm`` is the textbook's."""
    return bool(norm.has_weight and norm.variance_size_override is None and norm.override_orig_dtype is None)


def is_plain_rotary(rotary: Any) -> bool:
    """Whether a rotary embedding is the textbook's, on a table of cosines and sines that SGLang computed."""
    return type(rotary) in PLAIN_ROTARY


def _heads(x: torch.Tensor, head_size: int) -> torch.Tensor:
    """``[tokens, heads * size]``, possibly a strided part of something wider, as ``[tokens, heads, size]``."""
    return x.unflatten(-1, (-1, head_size))
