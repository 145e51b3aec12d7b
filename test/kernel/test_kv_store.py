"""Writing keys and values into the cache."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import CACHE_DTYPES, HEAD_DIMS, SEEDS
from superinfer import kernels
from superinfer.kernels import inputs

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]


@settings(max_examples=30)
@given(
    tokens=st.integers(0, 200),
    heads=st.integers(1, 4),
    dim=HEAD_DIMS,
    v_dim=HEAD_DIMS,
    source=CACHE_DTYPES,
    stored=CACHE_DTYPES,
    seed=SEEDS,
)
def test_stores_what_torch_converts(
    tokens: int, heads: int, dim: int, v_dim: int, source: torch.dtype, stored: torch.dtype, seed: int
):
    k = inputs.strided(inputs.normal(tokens, heads, dim, dtype=source, seed=seed))
    v = inputs.strided(inputs.normal(tokens, heads, v_dim, dtype=source, seed=seed + 1))
    k_cache = inputs.poisoned(tokens + 3, heads, dim, dtype=stored)
    v_cache = inputs.poisoned(tokens + 3, heads, v_dim, dtype=stored)
    loc = torch.randperm(tokens + 3, generator=torch.Generator().manual_seed(seed))[:tokens]
    kernels.kv_store(k, v, k_cache, v_cache, loc)
    assert torch.equal(k_cache[loc], k.to(stored))
    assert torch.equal(v_cache[loc], v.to(stored))
    untouched = torch.ones(tokens + 3, dtype=torch.bool).index_fill(0, loc, False)
    assert k_cache[untouched].isnan().all()
    assert v_cache[untouched].isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounds_every_kind_of_number_as_torch_does(dtype: torch.dtype):
    patterns = torch.arange(0, 2**32, 65521, dtype=torch.int64).to(torch.int32).view(torch.float32)
    special = torch.tensor(
        [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 65504.0, 65519.9, 65520.0, 6e-8, 2e-8]
    )
    numbers = torch.cat([patterns, special])
    numbers = torch.cat([numbers, torch.zeros(-len(numbers) % 8)]).reshape(-1, 1, 8)
    cache = inputs.poisoned(len(numbers), 1, 8, dtype=dtype)
    kernels.kv_store(numbers, numbers, cache, cache.clone(), torch.arange(len(numbers)))
    expected = numbers.to(dtype)
    assert torch.equal(cache.isnan(), expected.isnan())
    assert torch.equal(cache.nan_to_num(), expected.nan_to_num())
    back = torch.empty_like(numbers)
    kernels.kv_store(cache, cache, back, back.clone(), torch.arange(len(numbers)))
    assert torch.equal(back.nan_to_num(), expected.float().nan_to_num())
