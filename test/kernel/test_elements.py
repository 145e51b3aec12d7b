"""Norms, rotary embedding, activation and argmax against their references."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import CACHE_DTYPES, SEEDS, error
from superinfer import kernels
from superinfer.kernels import inputs, reference

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]

TOKENS = st.integers(0, 70)
WIDTHS = st.one_of(st.integers(1, 70), st.just(576), st.just(1536))


def tolerance(dtype: torch.dtype) -> float:
    return {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]


@settings(max_examples=20)
@given(tokens=TOKENS, width=WIDTHS, dtype=CACHE_DTYPES, weight_dtype=CACHE_DTYPES, seed=SEEDS)
def test_rms_norm(tokens: int, width: int, dtype: torch.dtype, weight_dtype: torch.dtype, seed: int):
    x = inputs.strided(inputs.normal(tokens, width, dtype=dtype, seed=seed))
    weight = torch.nn.Parameter(inputs.normal(width, dtype=weight_dtype, seed=seed + 1))
    out = inputs.strided(inputs.poisoned(tokens, width, dtype=dtype))
    kernels.rms_norm(x, weight, 1e-5, out)
    assert error(out, reference.rms_norm(x, weight.detach(), 1e-5)) < tolerance(dtype)


@settings(max_examples=20)
@given(tokens=TOKENS, width=WIDTHS, dtype=CACHE_DTYPES, seed=SEEDS)
def test_fused_add_rms_norm(tokens: int, width: int, dtype: torch.dtype, seed: int):
    x = inputs.strided(inputs.normal(tokens, width, dtype=dtype, seed=seed))
    residual = inputs.normal(tokens, width, dtype=dtype, seed=seed + 1)
    weight = inputs.normal(width, seed=seed + 2)
    total = (x.float() + residual.float()).to(dtype)
    kernels.fused_add_rms_norm(x, residual, weight, 1e-5)
    assert torch.equal(residual, total)
    assert error(x, reference.rms_norm(total, weight, 1e-5)) < 2 * tolerance(dtype)


@settings(max_examples=20)
@given(
    tokens=TOKENS,
    q_heads=st.integers(1, 9),
    k_heads=st.integers(1, 3),
    half=st.integers(1, 40),
    rest=st.integers(0, 9),
    interleaved=st.booleans(),
    dtype=CACHE_DTYPES,
    seed=SEEDS,
)
def test_rope(
    tokens: int, q_heads: int, k_heads: int, half: int, rest: int, interleaved: bool, dtype: torch.dtype, seed: int
):
    q = inputs.strided(inputs.normal(tokens, q_heads, 2 * half + rest, dtype=dtype, seed=seed))
    k = inputs.strided(inputs.normal(tokens, k_heads, 2 * half + rest, dtype=dtype, seed=seed + 1))
    table = inputs.cos_sin_cache(300, 2 * half)
    positions = torch.randint(300, (tokens,), generator=torch.Generator().manual_seed(seed))
    expected = [reference.rope(x, positions, table, interleaved=interleaved) for x in (q, k)]
    kernels.rope(q, k, positions, table, interleaved=interleaved)
    assert error(q, expected[0]) < tolerance(dtype)
    assert error(k, expected[1]) < tolerance(dtype)


@settings(max_examples=20)
@given(tokens=TOKENS, width=WIDTHS, dtype=CACHE_DTYPES, seed=SEEDS)
def test_silu_and_mul(tokens: int, width: int, dtype: torch.dtype, seed: int):
    x = inputs.strided(20 * inputs.normal(tokens, 2 * width, dtype=dtype, seed=seed))
    out = inputs.poisoned(tokens, width, dtype=dtype)
    kernels.silu_and_mul(x, out)
    assert error(out, reference.silu_and_mul(x)) < tolerance(dtype)


def test_silu_of_extreme_numbers_is_finite():
    x = torch.tensor([[-1e30, -100.0, 100.0, 0.0, 1.0, 1.0, 1.0, 1.0]])
    out = inputs.poisoned(1, 4)
    kernels.silu_and_mul(x, out)
    assert torch.allclose(out, torch.tensor([[0.0, 0.0, 100.0, 0.0]]), atol=1e-6)


@settings(max_examples=20)
@given(rows=st.integers(0, 40), width=st.one_of(st.integers(1, 70), st.just(5000)), seed=SEEDS)
def test_argmax(rows: int, width: int, seed: int):
    # Few different numbers: there are ties, of which the first must win.
    logits = inputs.strided(inputs.normal(rows, width, seed=seed).round())
    out = torch.full((rows,), -1)
    kernels.argmax(logits, out)
    assert torch.equal(out, (logits == logits.amax(1, keepdim=True)).int().argmax(1))


@pytest.mark.parametrize("position", [0, 5, 16, 40])
def test_argmax_takes_the_first_nan_and_survives_infinities(position: int):
    logits = torch.full((2, 41), -float("inf"))
    logits[0, position] = float("nan")
    logits[1, position] = 3.0
    out = torch.full((2,), -1)
    kernels.argmax(logits, out)
    assert out.tolist() == [position, position]
