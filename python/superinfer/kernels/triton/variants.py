"""The kernels as they are compiled for typical models, without tensors."""

from dataclasses import dataclass, field
from typing import Any

import torch
from triton.compiler import ASTSource

from superinfer.kernels.triton import decode, extend, mixed_decode, mixed_extend, seal, store
from superinfer.kernels.triton.blocks import (
    ELEMENTWISE,
    Blocks,
    decode_blocks,
    extend_blocks,
    mixed_decode_blocks,
    mixed_extend_blocks,
    padded,
)
from superinfer.kernels.triton.scores import TYPES

FLOATS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
LONGS = ("rows", "seq_lens", "prefix_lens", "qo_indptr", "loc", "source", "target")
INDICES = {"req_to_token": "*i32"} | dict.fromkeys(LONGS, "*i64")
HOMES = {
    "attend_block": extend,
    "store_heads": store,
    "attend_mixed_split": mixed_decode,
    "attend_mixed_block": mixed_extend,
    "seal_key_heads": seal,
    "seal_value_heads": seal,
}
SCALARS = {"factor": "fp32", "cap": "fp32"}
ANY_NUMBER = {"slots", "kv_heads", "group", "requests", "window", "tokens", "heads", "q_heads", *SCALARS}


@dataclass(frozen=True, slots=True)
class Variant:
    """One kernel with all that its machine code depends on.

    Attributes:
        name: Of the kernel.
        dtype: Of queries, cache and output alike.
        dim: Head dimension of keys and values.
        blocks: What the launch would choose.
        constants: Of the kernel.
    """

    name: str
    dtype: torch.dtype
    dim: int
    blocks: Blocks
    constants: dict[str, Any] = field(repr=False)

    @property
    def kernel(self) -> Any:
        """The function that Triton compiles."""
        return getattr(HOMES.get(self.name, decode), self.name)

    def source(self) -> ASTSource:
        """What to compile; pointers and strides are multiples of 16, as the launch would find them."""
        names = self.kernel.arg_names
        aligned = [["tt.divisibility", 16]]
        unaligned = ANY_NUMBER | self.constants.keys()
        return ASTSource(
            fn=self.kernel,
            signature={name: self._type_of(name) for name in names},
            constexprs=self.constants,
            attrs={(i,): aligned for i, name in enumerate(names) if name not in unaligned},
        )

    def _type_of(self, name: str) -> str:
        if name in self.constants:
            return "constexpr"
        if name in ("partial", "sums"):
            return "*fp32"
        if name in ("q", "k_cache", "v_cache", "out", "x", "cache"):
            return f"*{FLOATS[self.dtype]}"
        return INDICES.get(name) or SCALARS.get(name, "i32")


def _attention(dtype: torch.dtype, dim: int, blocks: Blocks) -> dict[str, Any]:
    sizes = {"DIM": dim, "V_DIM": dim, "DIM_PADDED": padded(dim), "V_PADDED": padded(dim)}
    return sizes | {"CAPPED": False, "ROWS": blocks.rows, "KEYS": blocks.keys, "OPERAND": TYPES[dtype]}


def decode_variant(dtype: torch.dtype, dim: int) -> Variant:
    """The part of decode attention that reads the cache."""
    blocks = decode_blocks(padded(dim), dtype.itemsize)
    splits = {"SPLITS": decode.SPLITS, "LEAST_KEYS": decode.LEAST_KEYS}
    return Variant("attend_split", dtype, dim, blocks, _attention(dtype, dim, blocks) | splits)


def merge_variant(dtype: torch.dtype, dim: int) -> Variant:
    """The part of decode attention that merges."""
    constants = {"SPLITS": decode.SPLITS, "LEAST_KEYS": decode.LEAST_KEYS, "V_DIM": dim, "V_PADDED": padded(dim)}
    return Variant("merge_splits", dtype, dim, ELEMENTWISE, constants)


def extend_variant(dtype: torch.dtype, dim: int) -> Variant:
    """Causal extend attention of up to 16 requests."""
    blocks = extend_blocks(padded(dim), dtype.itemsize)
    constants = _attention(dtype, dim, blocks) | {"CAUSAL": True, "REQUESTS": padded(16)}
    return Variant("attend_block", dtype, dim, blocks, constants)


def store_variant(dtype: torch.dtype, dim: int) -> Variant:
    """The KV store."""
    return Variant(
        "store_heads", dtype, dim, ELEMENTWISE, {"TOKENS": ELEMENTWISE.rows, "DIM": dim, "PADDED": padded(dim)}
    )


def mixed_decode_variant(dtype: torch.dtype, dim: int) -> Variant:
    """The part of decode attention over several formats that reads the cache."""
    blocks = mixed_decode_blocks(padded(dim), dtype.itemsize)
    splits = {"SPLITS": decode.SPLITS, "LEAST_KEYS": decode.LEAST_KEYS}
    return Variant("attend_mixed_split", dtype, dim, blocks, _by_page(dtype, dim, blocks) | splits)


def mixed_extend_variant(dtype: torch.dtype, dim: int) -> Variant:
    """Causal extend attention of up to 16 requests over several formats."""
    blocks = mixed_extend_blocks(padded(dim), dtype.itemsize)
    constants = _by_page(dtype, dim, blocks) | {"CAUSAL": True, "REQUESTS": padded(16)}
    return Variant("attend_mixed_block", dtype, dim, blocks, constants)


def seal_variant(name: str, dtype: torch.dtype, dim: int, bits: int) -> Variant:
    """Sealing native keys or values."""
    constants = {"DIM": dim, "PADDED": padded(dim), "FROM_BITS": 0, "BITS": bits}
    return Variant(name, dtype, dim, ELEMENTWISE, constants)


def _by_page(dtype: torch.dtype, dim: int, blocks: Blocks) -> dict[str, Any]:
    constants = _attention(dtype, dim, blocks)
    del constants["KEYS"]
    return constants


def mixed_variants() -> list[Variant]:
    """Those of the report on several formats."""
    shapes = [(torch.bfloat16, 64), (torch.bfloat16, 128), (torch.float16, 128), (torch.float32, 64)]
    attention = [make(dtype, dim) for make in (mixed_decode_variant, mixed_extend_variant) for dtype, dim in shapes]
    names = ("seal_key_heads", "seal_value_heads")
    return [*attention, *(seal_variant(name, torch.bfloat16, 128, 4) for name in names)]


def all_variants() -> list[Variant]:
    """Those of the report on one format."""
    sixteen = [(dtype, dim) for dtype in (torch.float16, torch.bfloat16) for dim in (64, 80, 128)]
    shapes = [*sixteen, (torch.bfloat16, 256), (torch.float32, 64), (torch.float32, 128)]
    attention = [make(dtype, dim) for make in (decode_variant, extend_variant) for dtype, dim in shapes]
    return [*attention, merge_variant(torch.bfloat16, 128), store_variant(torch.bfloat16, 128)]
