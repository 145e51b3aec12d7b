"""Memory for what every step reads."""

import math
import mmap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CACHE_LINE = 64


class Arena:
    """One piece of memory on huge pages, where the system has them, cut into tensors.

    With pages of 4 KiB, a pass over the weights misses the address cache at every page: measured, a fifth of the
    memory's bandwidth is lost.

    Args:
        nbytes: Room for all tensors, each rounded up to a cache line.
    """

    def __init__(self, nbytes: int) -> None:
        import torch

        pages = mmap.mmap(-1, max(nbytes, CACHE_LINE))
        if hasattr(mmap, "MADV_HUGEPAGE"):
            pages.madvise(mmap.MADV_HUGEPAGE)
        self._bytes = torch.frombuffer(pages, dtype=torch.uint8)
        self._used = 0

    def empty(self, shape: tuple[int, ...], dtype: "torch.dtype") -> "torch.Tensor":
        """A tensor of zeros.

        Raises:
            MemoryError: The arena is full.
        """
        nbytes = tensor_bytes(shape, dtype)
        if self._used + nbytes > len(self._bytes):
            raise MemoryError(f"the arena of {len(self._bytes)} bytes has no room for {nbytes} more than {self._used}")
        piece = self._bytes[self._used : self._used + nbytes]
        self._used += -(-nbytes // CACHE_LINE) * CACHE_LINE
        return piece.view(dtype).view(shape)


def tensor_bytes(shape: tuple[int, ...], dtype: "torch.dtype") -> int:
    """Bytes of a contiguous tensor."""
    return int(dtype.itemsize) * math.prod(shape)


def arena_bytes(sizes: Iterator[int]) -> int:
    """Bytes of an arena for tensors of these numbers of bytes."""
    return sum(-(-size // CACHE_LINE) * CACHE_LINE for size in sizes)
