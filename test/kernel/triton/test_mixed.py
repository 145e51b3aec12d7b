"""Triton's kernels over several formats, interpreted, against the float64 reference and the codec."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel import mixed
from kernel.mixed import MixedCase, mixed_cases
from kernel.shapes import error
from kernel.triton.interpreter import Interpreter
from superinfer.kernels import inputs, reference
from superinfer.kernels.mixed_inputs import mixed_batch, page_bytes
from superinfer.kernels.triton import seal_pages
from superinfer.kv import PAGE_TOKENS, Format
from superinfer.kv.codec import pack_keys, pack_values, seal_keys, seal_values

pytestmark = pytest.mark.kernel

DECODE = st.tuples(st.one_of(st.integers(0, 3), st.integers(30, 70), st.integers(0, 250)), st.just(1))
EXTEND = st.tuples(st.one_of(st.just(0), st.integers(0, 150)), st.one_of(st.integers(0, 3), st.integers(0, 60)))
HEADS = inputs.Heads(q=2, kv=1, dim=64, v_dim=40)
MOST_HEADS = 10


def decode(interpret: Interpreter, case: MixedCase, q: torch.Tensor, **options: Any) -> torch.Tensor:
    arguments = (q, *mixed.decode_arguments(case), mixed.output(case, q))
    return interpret("mixed_decode_attention", *arguments, scale=case.scale, **options)[-1]


def extend(interpret: Interpreter, case: MixedCase, q: torch.Tensor, **options: Any) -> torch.Tensor:
    arguments = (q, *mixed.extend_arguments(case), mixed.output(case, q))
    return interpret("mixed_extend_attention", *arguments, scale=case.scale, **options)[-1]


@settings(max_examples=20)
@given(case=mixed_cases(DECODE, MOST_HEADS), logit_cap=st.sampled_from([0.0, 0.0, 5.0]))
def test_decode_matches_the_reference(interpret: Interpreter, case: MixedCase, logit_cap: float):
    q = mixed.queries(case)
    expected = reference.attention(q, case.batch.plain, scale=case.scale, logit_cap=logit_cap)
    assert error(decode(interpret, case, q, logit_cap=logit_cap), expected) < 2e-5


@settings(max_examples=20)
@given(case=mixed_cases(EXTEND, MOST_HEADS), causal=st.booleans())
def test_extend_matches_the_reference(interpret: Interpreter, case: MixedCase, causal: bool):
    q = mixed.queries(case)
    expected = reference.attention(q, case.batch.plain, scale=case.scale, causal=causal)
    assert error(extend(interpret, case, q, causal=causal), expected) < 2e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_multiplies_16_bit_queries_in_their_dtype(interpret: Interpreter, dtype: torch.dtype):
    batch = mixed_batch([(200, list(Format)), (70, [Format.INT4])], HEADS, dtype=dtype)
    case = MixedCase(batch, HEADS, 0)
    q = mixed.queries(case, dtype)
    expected = reference.attention(q, batch.plain, scale=case.scale)
    assert error(decode(interpret, case, q), expected) < 1e-2


def test_every_split_is_merged(interpret: Interpreter):
    batch = mixed_batch([(2100, list(Format)), (129, [Format.INT8])], inputs.Heads(q=2, kv=1, dim=16, v_dim=16))
    case = MixedCase(batch, inputs.Heads(q=2, kv=1, dim=16, v_dim=16), 0)
    q = mixed.queries(case)
    assert error(decode(interpret, case, q), reference.attention(q, batch.plain, scale=case.scale)) < 2e-5


@pytest.mark.parametrize("fmt", list(Format))
@pytest.mark.parametrize("slot", [-1, 10**6])
def test_a_slot_that_cannot_be_makes_its_request_nan(interpret: Interpreter, fmt: Format, slot: int):
    batch = mixed_batch([(40, [fmt]), (40, [fmt])], HEADS)
    batch.plain.req_to_token[batch.plain.rows[0], 32] = slot
    out = decode(interpret, MixedCase(batch, HEADS, 0), inputs.normal(2, HEADS.q, HEADS.dim))
    assert out[0].isnan().all()
    assert out[1].isfinite().all()


def test_a_request_gets_the_same_bits_alone_and_beside_others(interpret: Interpreter):
    batch = mixed_batch([(150, [Format.NATIVE]), (90, [Format.INT4])], HEADS)
    q = inputs.normal(2, HEADS.q, HEADS.dim)
    together = decode(interpret, MixedCase(batch, HEADS, 0), q)
    plain = replace(batch.plain, rows=batch.plain.rows[:1], seq_lens=batch.plain.seq_lens[:1])
    alone = decode(interpret, MixedCase(replace(batch, plain=plain), HEADS, 0), q[:1])
    assert torch.equal(alone[0], together[0])


@pytest.mark.parametrize(("dim", "v_dim"), [(64, 64), (8, 40), (80, 8)])
@pytest.mark.parametrize("change", ["none", "nan", "constant", "outlier"])
@pytest.mark.parametrize(
    ("source", "target"),
    [(Format.NATIVE, Format.INT8), (Format.NATIVE, Format.INT4), (Format.INT8, Format.INT4)],
    ids=lambda fmt: fmt.label,
)
def test_seals_into_the_bits_of_the_codec(
    interpret: Interpreter, source: Format, target: Format, change: str, dim: int, v_dim: int
):
    batch = mixed_batch([(64, [source]), (64, [target])], inputs.Heads(q=2, kv=2, dim=dim, v_dim=v_dim))
    slots = [batch.plain.req_to_token[row, :64:PAGE_TOKENS].long() for row in batch.plain.rows]
    pages = [slice(int(slot), int(slot) + PAGE_TOKENS) for slot in slots[0]]
    if source is Format.NATIVE:
        for cache, numbers in ((batch.k_cache, batch.plain.k_cache), (batch.v_cache, batch.plain.v_cache)):
            page = cache[pages[0]]
            {"nan": page[3, 0, 1:2], "constant": page, "outlier": page[:, 0, 0], "none": page[:0]}[change].fill_(
                {"nan": torch.nan}.get(change, 1e4)
            )
            numbers[pages[0]] = page
    formats = {"source_format": source, "target_format": target}
    k_cache, v_cache, *_ = interpret("seal_pages", batch.k_cache, batch.v_cache, batch.slots, *slots, **formats)
    shape, bits = batch.regions.shape, target.bits
    for page, slot in zip(pages, slots[1].tolist(), strict=True):
        number = (slot - batch.regions.base(target)) // PAGE_TOKENS
        k, v = (x[page].transpose(0, 1) for x in (batch.plain.k_cache, batch.plain.v_cache))
        keys, values = pack_keys(seal_keys(k, bits), target), pack_values(seal_values(v, bits), target, v_dim)
        assert torch.equal(page_bytes(k_cache, number, shape.key_page_bytes(target)), keys.flatten())
        assert torch.equal(page_bytes(v_cache, number, shape.value_page_bytes(target)), values.flatten())


def test_sealing_goes_downwards():
    batch = mixed_batch([(32, [Format.INT8])], HEADS)
    with pytest.raises(ValueError, match="target_format native is not coarser than int8"):
        seal_pages(
            batch.k_cache,
            batch.v_cache,
            batch.slots,
            torch.tensor([0]),
            torch.tensor([0]),
            source_format=Format.INT8,
            target_format=Format.NATIVE,
        )
