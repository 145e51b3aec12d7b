"""Products with weights: ``x @ weight.T`` in float32, for weights in float32, float16 or bfloat16.

Wrong shapes and numbers raise ``ValueError``, wrong dtypes ``TypeError``; both name the argument.
"""

from typing import TYPE_CHECKING

from superinfer.kernels.library import library

if TYPE_CHECKING:
    import torch

PANEL = 16
"""Outputs that lie side by side in a packed weight."""


def packed_linear(
    x: "torch.Tensor",
    weight: "torch.Tensor",
    out: "torch.Tensor",
    *,
    bias: "torch.Tensor | None" = None,
    accumulate: bool = False,
) -> None:
    """``out = x @ weight.T + bias``, or ``out += ...``, for any number of rows.

    Args:
        x: float32 ``[rows, inputs]``, rows dense.
        weight: What :func:`pack` returned, in any of the dtypes.
        out: float32 ``[rows, outputs]``, rows dense.
        bias: float32 ``[outputs]``.
        accumulate: Add to ``out`` what is already there.
    """
    library().packed_linear(x, weight, bias, out, accumulate)


def packed_shape(outputs: int, inputs: int) -> tuple[int, int, int]:
    """Shape of a packed weight: ``[panels, inputs, PANEL]``."""
    return -(-outputs // PANEL), inputs, PANEL


def pack(weight: "torch.Tensor", packed: "torch.Tensor") -> None:
    """Write ``weight`` into ``packed``, its outputs side by side in panels; the last panel is filled up with zeros.

    Args:
        weight: ``[outputs, inputs]``.
        packed: Of :func:`packed_shape`, in any of the dtypes; written to.
    """
    outputs = weight.shape[0]
    whole = outputs // PANEL
    packed[:whole].copy_(weight[: whole * PANEL].unflatten(0, (whole, PANEL)).transpose(1, 2))
    if rest := outputs - whole * PANEL:
        packed[whole].zero_()
        packed[whole, :, :rest].copy_(weight[whole * PANEL :].T)


def unpack_rows(packed: "torch.Tensor", rows: "torch.Tensor", out: "torch.Tensor") -> None:
    """Rows of the weight that was packed.

    Args:
        packed: What :func:`pack` has written, in any of the dtypes.
        rows: int64 ``[count]``, each less than the number of outputs, rounded up to whole panels.
        out: float32 ``[count, inputs]``, rows dense; written to.
    """
    library().unpack_rows(packed, rows, out)
