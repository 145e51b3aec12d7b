"""How much one program works on at a time: chosen so that nothing spills (``report.py`` shows it)."""

from dataclasses import dataclass
from typing import TypedDict

LEAST = 16  # a dimension of a tensor core's operand


class CompilerOptions(TypedDict):
    """What a launch tells Triton beside the kernel's own arguments."""

    num_warps: int
    num_stages: int
    enable_fp_fusion: bool


@dataclass(frozen=True, slots=True)
class Blocks:
    """Sizes of one launch.

    Attributes:
        rows: Pairs of query and head, or of token and head, that a program serves.
        keys: Keys that it reads at a time.
        warps: Threads of the program, in warps of 32.
        stages: Blocks of keys in flight.
    """

    rows: int
    keys: int
    warps: int
    stages: int

    @property
    def options(self) -> CompilerOptions:
        """Multiplications and additions are fused: Triton changes its default with 3.10, and warns until then."""
        return {"num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": True}


ELEMENTWISE = Blocks(rows=16, keys=0, warps=4, stages=1)  # of kernels without a loop


def padded(size: int) -> int:
    """The power of two that holds ``size``: Triton's shapes are powers of two, and the rest is masked."""
    return max(LEAST, 1 << (size - 1).bit_length())


def decode_blocks(dim: int, itemsize: int) -> Blocks:
    """Sizes of decode attention.

    Args:
        dim: The larger of the head dimensions, padded.
        itemsize: Bytes of a number that is multiplied.
    """
    if itemsize == 4:
        return Blocks(rows=16, keys=32 if dim <= 64 else 16, warps=4 if dim <= 128 else 8, stages=3)
    return Blocks(rows=16, keys=64 if dim <= 128 else 32, warps=4, stages=3)


def extend_blocks(dim: int, itemsize: int) -> Blocks:
    """Sizes of extend attention; arguments as above."""
    if itemsize == 4:
        return Blocks(rows=32, keys=32 if dim <= 128 else 16, warps=4 if dim <= 64 else 8, stages=3)
    return Blocks(rows=128 if dim <= 64 else 64, keys=64 if dim <= 128 else 32, warps=8, stages=3)


def mixed_decode_blocks(dim: int, itemsize: int) -> Blocks:
    """Sizes of decode attention over several formats, a page at a time; arguments as above."""
    return Blocks(rows=16, keys=32, warps=8 if itemsize == 4 or dim > 128 else 4, stages=1)


def mixed_extend_blocks(dim: int, itemsize: int) -> Blocks:
    """Sizes of extend attention over several formats, a page at a time; arguments as above."""
    if itemsize == 4:
        return Blocks(rows=16, keys=32, warps=8, stages=1)
    return Blocks(rows=64, keys=32, warps=8, stages=1)
