"""The native kernels seal into the very bits of the codec in torch, on every instruction set."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import CACHE_DTYPES, HEAD_DIMS, SEEDS
from superinfer import kernels
from superinfer.kernels.inputs import Heads
from superinfer.kernels.mixed_inputs import MixedBatch, mixed_batch, page_bytes
from superinfer.kv import PAGE_TOKENS, Format
from superinfer.kv.codec import key_numbers, pack_keys, pack_values, seal_keys, seal_values, value_numbers

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]

PAIRS = [(Format.NATIVE, Format.INT8), (Format.NATIVE, Format.INT4), (Format.INT8, Format.INT4)]


def slots_of(batch: MixedBatch, request: int) -> torch.Tensor:
    """First slots of a request's pages."""
    length = int(batch.plain.seq_lens[request])
    return batch.plain.req_to_token[batch.plain.rows[request], :length:PAGE_TOKENS].long()


def numbers(cache: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """``[pages, heads, tokens, dim]``."""
    return torch.stack([cache[slot : slot + PAGE_TOKENS] for slot in slots.tolist()]).transpose(1, 2)


def stored(batch: MixedBatch, fmt: Format, slots: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The bytes of these pages."""
    shape, base = batch.regions.shape, batch.regions.base(fmt)
    pages = [(slot - base) // PAGE_TOKENS for slot in slots.tolist()]
    keys = [page_bytes(batch.k_cache, page, shape.key_page_bytes(fmt)) for page in pages]
    return keys, [page_bytes(batch.v_cache, page, shape.value_page_bytes(fmt)) for page in pages]


def seal(batch: MixedBatch) -> None:
    kernels.seal_pages(batch.k_cache, batch.v_cache, batch.slots, slots_of(batch, 0), slots_of(batch, 1))


def check(batch: MixedBatch, fmt: Format) -> None:
    """Seal the first request's pages over the second's, and compare with the codec."""
    k = numbers(batch.plain.k_cache, slots_of(batch, 0))
    v = numbers(batch.plain.v_cache, slots_of(batch, 0))
    seal(batch)
    keys, values = stored(batch, fmt, slots_of(batch, 1))
    for page, (key_bytes, value_bytes) in enumerate(zip(keys, values, strict=True)):
        assert torch.equal(key_bytes, pack_keys(seal_keys(k[page], fmt.bits), fmt).flatten())
        sealed = seal_values(v[page], fmt.bits)
        assert torch.equal(value_bytes, pack_values(sealed, fmt, v.shape[-1]).flatten())


@settings(max_examples=40)
@given(
    pair=st.sampled_from(PAIRS),
    pages=st.integers(1, 3),
    heads=st.integers(1, 3),
    dim=HEAD_DIMS,
    v_dim=HEAD_DIMS,
    dtype=CACHE_DTYPES,
    seed=SEEDS,
)
def test_the_bits_are_the_codecs(
    pair: tuple[Format, Format], pages: int, heads: int, dim: int, v_dim: int, dtype: torch.dtype, seed: int
):
    shape = Heads(q=heads, kv=heads, dim=dim, v_dim=v_dim)
    length = pages * PAGE_TOKENS
    check(mixed_batch([(length, [pair[0]]), (length, [pair[1]])], shape, dtype=dtype, seed=seed), pair[1])


SPECIAL = {
    "constant": lambda x: x.fill_(1.25),
    "zero": lambda x: x.zero_(),
    "outlier": lambda x: x[:, 0, 0].mul_(1e4),
    "tiny": lambda x: x.mul_(1e-30),
    "subnormal": lambda x: x.mul_(1e-40),
    "huge": lambda x: x.mul_(1e30),
    "nan": lambda x: x[3, 0, 1].fill_(torch.nan),
    "infinity": lambda x: x[3, 0, 1].fill_(torch.inf),
}


@pytest.mark.parametrize("change", SPECIAL)
@pytest.mark.parametrize("fmt", [Format.INT8, Format.INT4])
def test_special_numbers(fmt: Format, change: str):
    shape = Heads(q=2, kv=2, dim=64, v_dim=40)
    batch = mixed_batch([(32, [Format.NATIVE]), (32, [fmt])], shape)
    slot = int(slots_of(batch, 0)[0])
    for cache, plain in ((batch.k_cache, batch.plain.k_cache), (batch.v_cache, batch.plain.v_cache)):
        SPECIAL[change](cache[slot : slot + 32])
        plain[slot : slot + 32] = cache[slot : slot + 32]
    check(batch, fmt)


def test_a_number_that_is_not_finite_makes_its_head_nan():
    k = torch.randn(2, PAGE_TOKENS, 64)
    k[1, 5, 7] = torch.nan
    for read in (key_numbers(seal_keys(k, 4)), value_numbers(seal_values(k, 4), 64)):
        assert read[0].isfinite().all()
        assert read[1].isnan().all()


def test_nothing_but_the_targets_is_written():
    shape = Heads(q=2, kv=2, dim=64, v_dim=40)
    batch = mixed_batch([(96, [Format.INT8]), (96, [Format.INT4]), (64, list(Format))], shape)
    before = batch.k_cache.view(torch.uint8).clone(), batch.v_cache.view(torch.uint8).clone()
    seal(batch)
    for part in stored(batch, Format.INT4, slots_of(batch, 1)):
        for page in part:
            page.fill_(77)
    after = batch.k_cache.view(torch.uint8), batch.v_cache.view(torch.uint8)
    for old, new, pages in zip(before, after, stored(batch, Format.INT4, slots_of(batch, 1)), strict=True):
        assert int((old != new).sum()) <= sum(page.numel() for page in pages)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("int4", "int8", r"target\[0\] must be of a coarser format than source\[0\]"),
        ("int8", "int8", "coarser format"),
        ("native+1", "int8", r"source\[0\] and target\[0\] must be the first slots of pages"),
        ("end", "int8", r"source\[0\] is \d+, must be at least 0 and below"),
    ],
)
def test_wrong_pages_are_named(source: str, target: str, message: str):
    batch = mixed_batch([(32, [Format.NATIVE])], Heads(q=2, kv=2))
    native, int8, int4 = (batch.regions.base(fmt) for fmt in Format)
    places = {"native": native, "native+1": native + 1, "int8": int8, "int4": int4, "end": batch.regions.slots[2]}
    pages = torch.tensor([places[source]]), torch.tensor([places[target]])
    with pytest.raises(ValueError, match=message):
        kernels.seal_pages(batch.k_cache, batch.v_cache, batch.slots, *pages)
