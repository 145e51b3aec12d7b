"""Where the attention kernels stand between memory and arithmetic, by published figures: nothing here was timed."""

from dataclasses import dataclass

import torch

from superinfer.kernels.triton.blocks import padded
from superinfer.kernels.triton.variants import Variant
from superinfer.kv.formats import PAGE_TOKENS, Format
from superinfer.kv.layout import KvShape

GROUP = 4  # query heads of a KV head, as in Llama 3 8B
SLOT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU's published peaks, without sparsity.

    Attributes:
        name: Of the product.
        source: Of the figures.
        tensor_tflops: Of 16-bit products on tensor cores.
        fp32_tflops: Of float32 without tensor cores.
        memory_gbps: Gigabytes a second.
    """

    name: str
    source: str
    tensor_tflops: float
    fp32_tflops: float
    memory_gbps: float

    def ridge(self, dtype: torch.dtype) -> float:
        """Operations for each byte above which arithmetic is the limit."""
        tflops = self.fp32_tflops if dtype == torch.float32 else self.tensor_tflops
        return tflops * 1e3 / self.memory_gbps


GPUS = (
    Gpu("A100 80GB SXM", "NVIDIA A100 Tensor Core GPU datasheet", 312.0, 19.5, 2039.0),
    # The data sheet gives 1,979 with sparsity, and half of it without.
    Gpu("H100 SXM", "NVIDIA H100 Tensor Core GPU datasheet", 989.5, 67.0, 3350.0),
)


def key_bytes(variant: Variant) -> int:
    """Bytes a program reads for each key: key, value and slot."""
    itemsize: int = variant.dtype.itemsize
    return 2 * variant.dim * itemsize + SLOT_BYTES


def format_bytes(fmt: Format, dim: int) -> float:
    """Bytes of a key and its value in one head, scales and zeros included, and of the slot that tells where they are.

    Of a sealed page one slot is enough; a native one may lie scattered.
    """
    slots = SLOT_BYTES if fmt is Format.NATIVE else SLOT_BYTES / PAGE_TOKENS
    return KvShape(layers=1, heads=1, k_dim=dim, v_dim=dim).token_bytes(fmt) + slots


def useful_operations(variant: Variant) -> int:
    """Operations for each key that a program has to do: products of keys with queries, and of weights with values."""
    rows = GROUP if variant.name == "attend_split" else variant.blocks.rows
    return 4 * rows * variant.dim


def executed_operations(variant: Variant) -> int:
    """Operations for each key that a program does, padding included."""
    return 4 * variant.blocks.rows * padded(variant.dim)
