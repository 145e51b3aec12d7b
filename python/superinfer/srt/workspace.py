"""Buffers that every layer of every forward pass writes again."""

from collections.abc import Sequence

import torch

ALIGN_FLOATS = 16
"""A cache line."""


class Workspace:
    """One float32 buffer, cut anew for each pass. It grows to the largest pass and stays: fresh memory has to be
    faulted in page by page."""

    def __init__(self) -> None:
        self._floats = torch.empty(0)

    def rows(self, tokens: int, widths: Sequence[int]) -> list[torch.Tensor]:
        """Tensors ``[tokens, width]``, contiguous, with unspecified content, that stay valid until the next call."""
        sizes = [-(-tokens * width // ALIGN_FLOATS) * ALIGN_FLOATS for width in widths]
        if sum(sizes) > len(self._floats):
            self._floats = torch.empty(sum(sizes))
        pieces = self._floats[: sum(sizes)].split(sizes)
        return [piece[: tokens * width].view(tokens, width) for piece, width in zip(pieces, widths, strict=True)]
