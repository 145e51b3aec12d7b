"""Triton's extend attention, interpreted, against its float64 reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import Case, error
from kernel.triton.interpreter import Interpreter
from kernel.triton.shapes import arguments, output, queries, small
from superinfer.kernels import inputs, reference

pytestmark = pytest.mark.kernel

LENGTHS = st.tuples(
    st.one_of(st.just(0), st.integers(0, 70), st.integers(0, 200)), st.one_of(st.integers(0, 3), st.integers(0, 90))
)


def extend(interpret: Interpreter, case: Case, q: torch.Tensor, **options: float) -> torch.Tensor:
    batch = arguments(case, "prefix_lens", "qo_indptr")
    return interpret("extend_attention", q, *batch, output(case, q), scale=case.scale, **options)[-1]


def plain(lengths: list[int], prefixes: list[int], heads: inputs.Heads) -> Case:
    return Case(inputs.paged_batch(lengths, heads, prefix_lens=prefixes), heads, heads.dim**-0.5, 0)


@settings(max_examples=25)
@given(
    case=small(LENGTHS),
    causal=st.sampled_from([True, True, True, False]),
    logit_cap=st.sampled_from([0.0, 0.0, 5.0]),
    window=st.one_of(st.just(-1), st.integers(1, 200)),
)
def test_matches_the_reference(interpret: Interpreter, case: Case, causal: bool, logit_cap: float, window: int):
    options = {"causal": causal, "logit_cap": logit_cap, "window": window if causal else -1}
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=case.scale, **options)
    assert error(extend(interpret, case, q, **options), expected) < 1e-5


@settings(max_examples=12)
@given(case=small(LENGTHS))
def test_multiplies_16_bit_queries_on_a_cache_of_their_dtype(interpret: Interpreter, case: Case):
    q = queries(case, case.batch.k_cache.dtype)
    expected = reference.attention(q, case.batch, scale=case.scale)
    assert error(extend(interpret, case, q), expected) < case.tolerance


def test_takes_more_requests_than_the_smallest_table_of_blocks(interpret: Interpreter):
    heads = inputs.Heads(q=2, kv=1, dim=16, v_dim=16)
    case = plain([1 + b % 5 for b in range(20)], [0] * 20, heads)
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=case.scale)
    assert error(extend(interpret, case, q), expected) < 1e-5


def test_takes_more_query_heads_than_a_block_has_rows(interpret: Interpreter):
    case = plain([40, 3], [37, 0], inputs.Heads(q=70, kv=1, dim=16, v_dim=24))
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=case.scale)
    assert error(extend(interpret, case, q), expected) < 1e-5


@pytest.mark.parametrize("window", [-1, 30])
def test_a_prompt_gets_the_same_bits_at_once_and_in_pieces(interpret: Interpreter, window: int):
    case = plain([150], [0], inputs.Heads(q=3, kv=1))
    q = queries(case)
    at_once = extend(interpret, case, q, window=window)
    first = 0
    for last in (1, 37, 64, 150):
        lengths = {"prefix_lens": torch.tensor([first]), "seq_lens": torch.tensor([last])}
        batch = replace(case.batch, qo_indptr=torch.tensor([0, last - first]), **lengths)
        piece = extend(interpret, replace(case, batch=batch), q[first:last], window=window)
        assert torch.equal(piece, at_once[first:last])
        first = last


@pytest.mark.parametrize("slot", [-1, 10**6])
def test_a_slot_outside_the_cache_makes_those_who_see_it_nan(interpret: Interpreter, slot: int):
    case = plain([50, 20], [10, 0], inputs.Heads(q=3, kv=1))
    case.batch.req_to_token[case.batch.rows[0], 0] = slot
    out = extend(interpret, case, queries(case))
    assert out[:40].isnan().all()
    assert out[40:].isfinite().all()


def test_a_nan_reaches_only_the_queries_that_see_it_or_share_its_block(interpret: Interpreter):
    case = plain([200], [0], inputs.Heads(q=3, kv=1))
    case.batch.k_cache[case.batch.req_to_token[case.batch.rows[0], 150]] = float("nan")
    out = extend(interpret, case, queries(case))
    assert out[:128].isfinite().all()
    assert out[150:].isnan().all()


def test_no_new_tokens_are_no_error(interpret: Interpreter):
    case = plain([7], [7], inputs.Heads())
    assert extend(interpret, case, torch.empty(0, 9, 64)).numel() == 0
