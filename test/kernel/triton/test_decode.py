"""Triton's decode attention, interpreted, against its float64 reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import Case, error
from kernel.triton.interpreter import Interpreter
from kernel.triton.shapes import FLOATS, arguments, output, queries, small
from superinfer.kernels import inputs, reference

pytestmark = pytest.mark.kernel

LENGTHS = st.tuples(st.one_of(st.integers(0, 3), st.integers(60, 70), st.integers(0, 300)), st.just(1))


def decode(interpret: Interpreter, case: Case, q: torch.Tensor, out: torch.Tensor, **options: float) -> torch.Tensor:
    return interpret("decode_attention", q, *arguments(case), out, scale=case.scale, **options)[-1]


def plain(lengths: list[int], heads: inputs.Heads, dtype: torch.dtype = torch.float32) -> Case:
    return Case(inputs.paged_batch(lengths, heads, dtype=dtype), heads, heads.dim**-0.5, 0)


@settings(max_examples=25)
@given(
    case=small(LENGTHS),
    logit_cap=st.sampled_from([0.0, 0.0, 5.0]),
    window=st.one_of(st.just(-1), st.integers(1, 200)),
    out_dtype=FLOATS,
)
def test_matches_the_reference(
    interpret: Interpreter, case: Case, logit_cap: float, window: int, out_dtype: torch.dtype
):
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=case.scale, logit_cap=logit_cap, window=window)
    actual = decode(interpret, case, q, output(case, q, out_dtype), logit_cap=logit_cap, window=window)
    # Whatever the cache holds, float32 queries are multiplied in float32.
    assert error(actual, expected) < {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 4e-3}[out_dtype]


@settings(max_examples=12)
@given(case=small(LENGTHS))
def test_multiplies_16_bit_queries_on_a_cache_of_their_dtype(interpret: Interpreter, case: Case):
    q = queries(case, case.batch.k_cache.dtype)
    expected = reference.attention(q, case.batch, scale=case.scale)
    assert error(decode(interpret, case, q, output(case, q)), expected) < case.tolerance


def test_every_split_is_merged(interpret: Interpreter):
    heads = inputs.Heads(q=2, kv=1, dim=16, v_dim=16)
    case = plain([2500, 2048, 129, 128], heads)
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=case.scale)
    assert error(decode(interpret, case, q, output(case, q)), expected) < 1e-5


@pytest.mark.parametrize("group", [16, 17, 40])
def test_takes_more_query_heads_than_a_program_serves(interpret: Interpreter, group: int):
    case = plain([40, 3], inputs.Heads(q=2 * group, kv=2, dim=16, v_dim=24))
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=case.scale)
    assert error(decode(interpret, case, q, output(case, q)), expected) < 1e-5


def test_a_request_without_keys_gives_zeros(interpret: Interpreter):
    case = plain([0, 5], inputs.Heads())
    q = inputs.normal(2, 9, 64)
    out = decode(interpret, case, q, output(case, q))
    assert torch.equal(out[0], torch.zeros_like(out[0]))
    assert out[1].isfinite().all()


def test_an_empty_batch_is_no_error(interpret: Interpreter):
    case = plain([], inputs.Heads())
    q = torch.empty(0, 9, 64)
    assert decode(interpret, case, q, output(case, q)).numel() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("position", [0, 63, 299])
def test_a_nan_among_the_keys_reaches_the_output(interpret: Interpreter, position: int, dtype: torch.dtype):
    case = plain([300], inputs.Heads(), dtype)
    case.batch.k_cache[case.batch.req_to_token[case.batch.rows[0], position], 0, 3] = float("nan")
    q = queries(case, dtype)
    out = decode(interpret, case, q, output(case, q))
    assert out[0, :3].isnan().all()
    assert out[0, 3:].isfinite().all()


@pytest.mark.parametrize("slot", [-1, 10**6])
@pytest.mark.parametrize("lengths", [[1, 40], [300, 40]])
def test_a_slot_outside_the_cache_makes_its_request_nan(interpret: Interpreter, lengths: list[int], slot: int):
    case = plain(lengths, inputs.Heads())
    case.batch.req_to_token[case.batch.rows[0], 0] = slot
    q = queries(case)
    out = decode(interpret, case, q, output(case, q))
    assert out[0].isnan().all()
    assert out[1].isfinite().all()


def test_a_request_gets_the_same_bits_alone_and_in_a_batch(interpret: Interpreter):
    case = plain([700, 3, 128, 129], inputs.Heads())
    q = queries(case)
    together = decode(interpret, case, q, output(case, q))
    for b in range(4):
        batch = replace(case.batch, rows=case.batch.rows[b : b + 1], seq_lens=case.batch.seq_lens[b : b + 1])
        alone = decode(interpret, replace(case, batch=batch), q[b : b + 1], output(case, q[b : b + 1]))
        assert torch.equal(alone[0], together[b])


def test_large_scores_do_not_overflow(interpret: Interpreter):
    case = replace(plain([100], inputs.Heads()), scale=100.0)
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=100.0)
    assert error(decode(interpret, case, q, output(case, q)), expected) < 1e-3
