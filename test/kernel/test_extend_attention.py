"""Extend attention against its float64 reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import Case, cases, error
from superinfer import kernels
from superinfer.kernels import inputs, reference

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]

LENGTHS = st.tuples(
    st.one_of(st.just(0), st.integers(0, 70), st.integers(0, 400)), st.one_of(st.integers(0, 3), st.integers(0, 150))
)


def extend(
    case: Case, q: torch.Tensor, *, causal: bool = True, logit_cap: float = 0.0, window: int = -1
) -> torch.Tensor:
    batch = case.batch
    out = inputs.poisoned(q.shape[0], q.shape[1], case.heads.v_dim, dtype=q.dtype)
    kernels.extend_attention(
        q,
        batch.k_cache,
        batch.v_cache,
        batch.req_to_token,
        batch.rows,
        batch.seq_lens,
        batch.prefix_lens,
        batch.qo_indptr,
        out,
        scale=case.scale,
        causal=causal,
        logit_cap=logit_cap,
        window=window,
    )
    return out


def queries(case: Case, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    tokens = int(case.batch.qo_indptr[-1])
    return inputs.strided(inputs.normal(tokens, case.heads.q, case.heads.dim, dtype=dtype, seed=case.seed))


@settings(max_examples=30)
@given(
    case=cases(LENGTHS),
    causal=st.sampled_from([True, True, True, False]),
    logit_cap=st.sampled_from([0.0, 0.0, 5.0]),
    window=st.one_of(st.just(-1), st.integers(1, 200)),
)
def test_matches_the_reference(case: Case, causal: bool, logit_cap: float, window: int):
    options = {"causal": causal, "logit_cap": logit_cap, "window": window if causal else -1}
    q = queries(case)
    expected = reference.attention(q, case.batch, scale=case.scale, **options)
    assert error(extend(case, q, **options), expected) < case.tolerance


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_takes_16_bit_queries_and_outputs(dtype: torch.dtype):
    heads = inputs.Heads()
    case = Case(inputs.paged_batch([70, 300], heads, prefix_lens=[0, 200], dtype=dtype), heads, 0.125, 0)
    q = queries(case, dtype)
    expected = reference.attention(q, case.batch, scale=0.125)
    assert error(extend(case, q), expected.to(dtype)) < 2e-2


def test_many_queries_split_over_tasks_match_one_query_at_a_time():
    heads = inputs.Heads()
    case = Case(inputs.paged_batch([500], heads, prefix_lens=[0]), heads, 0.125, 0)
    q = queries(case)
    out = extend(case, q)
    batch = case.batch
    for position in (0, 1, 63, 64, 255, 499):
        single = inputs.poisoned(1, heads.q, heads.v_dim)
        length = torch.tensor([position + 1])
        kernels.decode_attention(
            q[position : position + 1],
            batch.k_cache,
            batch.v_cache,
            batch.req_to_token,
            batch.rows,
            length,
            single,
            scale=0.125,
        )
        assert error(out[position : position + 1], single) < 1e-5


@pytest.mark.parametrize("window", [-1, 100])
def test_a_prompt_gets_the_same_bits_at_once_and_in_pieces(window: int):
    heads = inputs.Heads()
    batch = inputs.paged_batch([500], heads, prefix_lens=[0])
    q = queries(Case(batch, heads, 0.125, 0))
    at_once = extend(Case(batch, heads, 0.125, 0), q, window=window)
    first = 0
    for last in (1, 37, 64, 300, 500):
        lengths = {"prefix_lens": torch.tensor([first]), "seq_lens": torch.tensor([last])}
        piece = replace(batch, qo_indptr=torch.tensor([0, last - first]), **lengths)
        out = extend(Case(piece, heads, 0.125, 0), q[first:last], window=window)
        assert torch.equal(out, at_once[first:last])
        first = last


def test_a_nan_reaches_only_the_queries_that_see_it_or_share_its_block():
    heads = inputs.Heads()
    batch = inputs.paged_batch([200], heads, prefix_lens=[0])
    batch.k_cache[batch.req_to_token[batch.rows[0], 150]] = float("nan")
    case = Case(batch, heads, 0.125, 0)
    out = extend(case, queries(case))
    assert out[:128].isfinite().all()
    assert out[150:].isnan().all()
