"""Attention over native, int8 and int4 pages against the float64 reference on the numbers that the codes mean."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.mixed import MixedCase, decode, extend, mixed_cases, queries
from kernel.shapes import error
from superinfer import kernels
from superinfer.kernels import inputs, reference
from superinfer.kernels.mixed_inputs import mixed_batch, page_bytes
from superinfer.kv import Format

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]

DECODE = st.tuples(st.one_of(st.integers(0, 4), st.integers(30, 70), st.integers(0, 500)), st.just(1))
EXTEND = st.tuples(st.one_of(st.just(0), st.integers(0, 300)), st.one_of(st.integers(0, 3), st.integers(0, 150)))
CAPS = st.sampled_from([0.0, 0.0, 5.0])
HEADS = inputs.Heads(q=6, kv=2, dim=64, v_dim=40)
# Scores of codes are summed before their zero is, which costs a digit.
TOLERANCE = 2e-5


@settings(max_examples=40)
@given(case=mixed_cases(DECODE), logit_cap=CAPS)
def test_decode_matches_the_reference(case: MixedCase, logit_cap: float):
    q = queries(case)
    expected = reference.attention(q, case.batch.plain, scale=case.scale, logit_cap=logit_cap)
    assert error(decode(case, q, logit_cap=logit_cap), expected) < TOLERANCE


@settings(max_examples=40)
@given(case=mixed_cases(EXTEND), logit_cap=CAPS, causal=st.booleans())
def test_extend_matches_the_reference(case: MixedCase, logit_cap: float, causal: bool):
    q = queries(case)
    expected = reference.attention(q, case.batch.plain, scale=case.scale, logit_cap=logit_cap, causal=causal)
    assert error(extend(case, q, logit_cap=logit_cap, causal=causal), expected) < TOLERANCE


@pytest.mark.parametrize("pair", product(Format, Format), ids=lambda pair: f"{pair[0].label}-{pair[1].label}")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_pair_of_formats_side_by_side(pair: tuple[Format, Format], dtype: torch.dtype):
    batch = mixed_batch([(200, pair), (33, pair), (64, pair[::-1])], HEADS, prefix_lens=[130, 0, 40], dtype=dtype)
    case = MixedCase(batch, HEADS, 0)
    q = queries(case)
    assert error(extend(case, q), reference.attention(q, batch.plain, scale=case.scale)) < TOLERANCE
    last = batch.plain.qo_indptr[1:] - 1
    alone = replace(batch.plain, prefix_lens=batch.plain.seq_lens - 1, qo_indptr=torch.arange(4))
    expected = reference.attention(q[last], alone, scale=case.scale)
    assert error(decode(case, q[last]), expected) < TOLERANCE


def native(length: int, dtype: torch.dtype) -> MixedCase:
    return MixedCase(mixed_batch([(length, [Format.NATIVE])], HEADS, prefix_lens=[length - 50], dtype=dtype), HEADS, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [50, 129, 500])
def test_an_all_native_request_gets_the_bits_of_the_plain_kernels(length: int, dtype: torch.dtype):
    case = native(length, dtype)
    batch, plain, q = case.batch, case.batch.plain, queries(case)
    out = inputs.poisoned(50, HEADS.q, HEADS.v_dim)
    table = (plain.req_to_token, plain.rows, plain.seq_lens)
    tail = (plain.prefix_lens, plain.qo_indptr)
    kernels.extend_attention(q, batch.k_cache, batch.v_cache, *table, *tail, out, scale=case.scale)
    assert torch.equal(extend(case, q), out)
    one = inputs.poisoned(1, HEADS.q, HEADS.v_dim)
    kernels.decode_attention(q[-1:], batch.k_cache, batch.v_cache, *table, one, scale=case.scale)
    assert torch.equal(decode(case, q[-1:]), one)


def test_a_native_request_is_untouched_by_its_neighbours():
    kinds = [[Format.NATIVE], [Format.INT4], [Format.INT8, Format.NATIVE]]
    batch = mixed_batch([(300, kind) for kind in kinds], HEADS)
    q = inputs.normal(3, HEADS.q, HEADS.dim)
    together = decode(MixedCase(batch, HEADS, 0), q)
    for b in range(3):
        plain = replace(batch.plain, rows=batch.plain.rows[b : b + 1], seq_lens=batch.plain.seq_lens[b : b + 1])
        assert torch.equal(decode(MixedCase(replace(batch, plain=plain), HEADS, 0), q[b : b + 1])[0], together[b])


def test_a_prompt_gets_the_same_bits_at_once_and_in_pieces():
    kinds = [Format.INT4, Format.NATIVE, Format.INT8, Format.NATIVE, Format.NATIVE, Format.INT4]
    batch = mixed_batch([(300, kinds)], HEADS, prefix_lens=[0])
    q = inputs.normal(300, HEADS.q, HEADS.dim)
    at_once = extend(MixedCase(batch, HEADS, 0), q)
    first = 0
    for last in (1, 37, 64, 290, 300):
        lengths = {"prefix_lens": torch.tensor([first]), "seq_lens": torch.tensor([last])}
        plain = replace(batch.plain, qo_indptr=torch.tensor([0, last - first]), **lengths)
        piece = extend(MixedCase(replace(batch, plain=plain), HEADS, 0), q[first:last])
        assert torch.equal(piece, at_once[first:last])
        first = last


@pytest.mark.parametrize("fmt", [Format.INT8, Format.INT4])
def test_a_head_of_nan_reaches_its_request_only(fmt: Format):
    batch = mixed_batch([(96, [Format.NATIVE, fmt]), (96, [fmt])], HEADS)
    slot = int(batch.plain.req_to_token[batch.plain.rows[0], 32])
    number = (slot - batch.regions.base(fmt)) // 32
    size = batch.regions.shape.key_page_bytes(fmt)
    page_bytes(batch.k_cache, number, size)[: size // HEADS.kv] = 255
    out = decode(MixedCase(batch, HEADS, 0), inputs.normal(2, HEADS.q, HEADS.dim))
    assert out[0, : HEADS.q // HEADS.kv].isnan().all()
    assert out[0, HEADS.q // HEADS.kv :].isfinite().all()
    assert out[1].isfinite().all()


# Tokens of a native page may lie in any order.
WRONG_SLOTS = [*product(Format, [-1, 10**6]), (Format.INT8, "shifted"), (Format.INT4, "shifted")]


@pytest.mark.parametrize(("fmt", "slot"), WRONG_SLOTS)
def test_a_slot_that_cannot_be_is_named(fmt: Format, slot: int | str):
    batch = mixed_batch([(96, [fmt])], HEADS)
    table, row = batch.plain.req_to_token, batch.plain.rows[0]
    if slot == "shifted":
        table[row, 32:96] = table[row, 32:96].clone() + 1
    else:
        table[row, 32] = slot
    case = MixedCase(batch, HEADS, 0)
    for call in (decode, extend):
        with pytest.raises(ValueError, match="req_to_token names a slot outside the KV cache"):
            call(case, inputs.normal(1, HEADS.q, HEADS.dim))


def test_a_request_without_keys_gives_zeros():
    batch = mixed_batch([(0, [Format.INT4]), (5, [Format.INT4])], HEADS)
    out = decode(MixedCase(batch, HEADS, 0), inputs.normal(2, HEADS.q, HEADS.dim))
    assert torch.equal(out[0], torch.zeros_like(out[0]))
    assert out[1].isfinite().all()


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ([0, 64, 96], r"slots\[0\] must be the cache's \d+ native slots, not 0"),
        (["native", 50, 60], r"slots\[1\] must be a multiple of 32|slots must not fall"),
        (["native", 10**6 * 32, 10**6 * 32], "slots of int8 are .* pages, more than the memory holds"),
    ],
)
def test_wrong_slots_are_named(slots: list[int | str], message: str):
    batch = mixed_batch([(96, [Format.INT4])], HEADS)
    named = torch.tensor([batch.regions.slots[0] if slot == "native" else slot for slot in slots])
    with pytest.raises(ValueError, match=message):
        decode(MixedCase(replace(batch, slots=named), HEADS, 0), inputs.normal(1, HEADS.q, HEADS.dim))
