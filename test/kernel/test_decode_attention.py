"""Decode attention against its float64 reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import Case, cases, error
from superinfer import kernels
from superinfer.kernels import inputs, reference

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]

LENGTHS = st.tuples(st.one_of(st.integers(0, 4), st.integers(60, 70), st.integers(0, 700)), st.just(1))


def decode(case: Case, q: torch.Tensor, *, logit_cap: float = 0.0, window: int = -1) -> torch.Tensor:
    batch = case.batch
    out = inputs.poisoned(q.shape[0], q.shape[1], case.heads.v_dim, dtype=q.dtype)
    kernels.decode_attention(
        q,
        batch.k_cache,
        batch.v_cache,
        batch.req_to_token,
        batch.rows,
        batch.seq_lens,
        out,
        scale=case.scale,
        logit_cap=logit_cap,
        window=window,
    )
    return out


@settings(max_examples=30)
@given(
    case=cases(LENGTHS),
    logit_cap=st.sampled_from([0.0, 0.0, 5.0]),
    window=st.one_of(st.just(-1), st.integers(1, 200)),
)
def test_matches_the_reference(case: Case, logit_cap: float, window: int):
    q = inputs.strided(inputs.normal(len(case.batch.rows), case.heads.q, case.heads.dim, seed=case.seed))
    expected = reference.attention(q, case.batch, scale=case.scale, logit_cap=logit_cap, window=window)
    assert error(decode(case, q, logit_cap=logit_cap, window=window), expected) < case.tolerance


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_takes_16_bit_queries_and_outputs(dtype: torch.dtype):
    heads = inputs.Heads()
    case = Case(inputs.paged_batch([70, 300], heads, dtype=dtype), heads, 0.125, 0)
    q = inputs.normal(2, heads.q, heads.dim, dtype=dtype)
    expected = reference.attention(q, case.batch, scale=0.125)
    assert error(decode(case, q), expected.to(dtype)) < 2e-2


def test_a_request_without_keys_gives_zeros():
    heads = inputs.Heads()
    case = Case(inputs.paged_batch([0, 5], heads), heads, 0.125, 0)
    out = decode(case, inputs.normal(2, heads.q, heads.dim))
    assert torch.equal(out[0], torch.zeros_like(out[0]))
    assert out[1].isfinite().all()


def test_an_empty_batch_is_no_error():
    heads = inputs.Heads()
    case = Case(inputs.paged_batch([], heads), heads, 0.125, 0)
    assert decode(case, torch.empty(0, heads.q, heads.dim)).numel() == 0


@pytest.mark.parametrize("position", [0, 63, 99, 299])
def test_a_nan_among_the_keys_reaches_the_output(position: int):
    heads = inputs.Heads()
    batch = inputs.paged_batch([300], heads)
    batch.k_cache[batch.req_to_token[batch.rows[0], position], 0, 3] = float("nan")
    out = decode(Case(batch, heads, 0.125, 0), inputs.normal(1, heads.q, heads.dim))
    assert out[0, :3].isnan().all()
    assert out[0, 3:].isfinite().all()


def test_a_request_gets_the_same_bits_alone_in_a_batch_and_on_any_number_of_threads():
    heads = inputs.Heads()
    batch = inputs.paged_batch([700, 3, 90, 128, 129], heads)
    q = inputs.normal(5, heads.q, heads.dim)
    together = decode(Case(batch, heads, 0.125, 0), q)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            for b in range(5):
                alone = replace(batch, rows=batch.rows[b : b + 1], seq_lens=batch.seq_lens[b : b + 1])
                assert torch.equal(decode(Case(alone, heads, 0.125, 0), q[b : b + 1])[0], together[b])
    finally:
        torch.set_num_threads(threads)


def test_large_scores_do_not_overflow():
    heads = inputs.Heads()
    case = Case(inputs.paged_batch([100], heads), heads, 100.0, 0)
    q = inputs.normal(1, heads.q, heads.dim)
    assert error(decode(case, q), reference.attention(q, case.batch, scale=100.0)) < 1e-3
