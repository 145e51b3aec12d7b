"""Kernels on plain rows of numbers, in float32, float16 or bfloat16; arithmetic is in float32.

Wrong shapes and numbers raise ``ValueError``, wrong dtypes ``TypeError``; both name the argument.
"""

from typing import TYPE_CHECKING

from superinfer.kernels.library import library

if TYPE_CHECKING:
    import torch


def rms_norm(x: "torch.Tensor", weight: "torch.Tensor", eps: float, out: "torch.Tensor") -> None:
    """``out = x / sqrt(mean(x^2) + eps) * weight`` for each row.

    Args:
        x: ``[tokens, width]``, rows dense.
        weight: ``[width]``, of any of the dtypes.
        eps: Keeps a row of zeros finite.
        out: Like ``x``, and may be ``x``.
    """
    library().rms_norm(x, weight, out, eps)


def fused_add_rms_norm(x: "torch.Tensor", residual: "torch.Tensor", weight: "torch.Tensor", eps: float) -> None:
    """``residual += x``, then ``x = rms_norm(residual)``, both in place.

    Args:
        x: ``[tokens, width]``, rows dense.
        residual: Like ``x``.
        weight: ``[width]``, of any of the dtypes.
        eps: Keeps a row of zeros finite.
    """
    library().fused_add_rms_norm(x, residual, weight, eps)


def rope(
    q: "torch.Tensor",
    k: "torch.Tensor",
    positions: "torch.Tensor",
    cos_sin_cache: "torch.Tensor",
    *,
    interleaved: bool = False,
) -> None:
    """Rotary position embedding of queries and keys, in place.

    Args:
        q: ``[tokens, q_heads, head_dim]``; may be a strided view whose last dimension is dense.
        k: ``[tokens, k_heads, head_dim]``, likewise.
        positions: int64 ``[tokens]``.
        cos_sin_cache: float32 ``[max_position, rotary_dim]``: cosines in the first half, sines in the second. Numbers
            of a head beyond ``rotary_dim`` stay as they are.
        interleaved: Rotate neighbours (GPT-J) instead of halves (NeoX).
    """
    library().rope(q, k, positions, cos_sin_cache, interleaved)


def silu_and_mul(x: "torch.Tensor", out: "torch.Tensor") -> None:
    """``out = silu(gate) * up``.

    Args:
        x: ``[tokens, 2 * width]``: gate, then up; rows dense.
        out: ``[tokens, width]``.
    """
    library().silu_and_mul(x, out)


def argmax(logits: "torch.Tensor", out: "torch.Tensor") -> None:
    """Index of each row's largest number: the first of equals; a NaN counts as the largest.

    Args:
        logits: float32 ``[rows, vocabulary]``, rows dense.
        out: int64 ``[rows]``.
    """
    library().argmax(logits, out)
