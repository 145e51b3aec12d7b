"""Triton's KV store, interpreted."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.shapes import CACHE_DTYPES, HEAD_DIMS, SEEDS
from kernel.triton.interpreter import Interpreter
from superinfer.kernels import inputs

pytestmark = pytest.mark.kernel


@settings(max_examples=25)
@given(
    tokens=st.integers(0, 70),
    heads=st.integers(1, 4),
    dim=HEAD_DIMS,
    v_dim=HEAD_DIMS,
    source=CACHE_DTYPES,
    stored=CACHE_DTYPES,
    seed=SEEDS,
)
def test_stores_what_torch_converts(
    interpret: Interpreter,
    tokens: int,
    heads: int,
    dim: int,
    v_dim: int,
    source: torch.dtype,
    stored: torch.dtype,
    seed: int,
):
    k = inputs.strided(inputs.normal(tokens, heads, dim, dtype=source, seed=seed))
    v = inputs.strided(inputs.normal(tokens, heads, v_dim, dtype=source, seed=seed + 1))
    k_cache = inputs.poisoned(tokens + 3, heads, dim, dtype=stored)
    v_cache = inputs.poisoned(tokens + 3, heads, v_dim, dtype=stored)
    loc = torch.randperm(tokens + 3, generator=torch.Generator().manual_seed(seed))[:tokens]
    *_, k_cache, v_cache, _ = interpret("kv_store", k, v, k_cache, v_cache, loc)
    assert torch.equal(k_cache[loc], k.to(stored))
    assert torch.equal(v_cache[loc], v.to(stored))
    untouched = torch.ones(tokens + 3, dtype=torch.bool).index_fill(0, loc, False)
    assert k_cache[untouched].isnan().all()
    assert v_cache[untouched].isnan().all()


def test_slots_outside_the_cache_are_left_out(interpret: Interpreter):
    x = torch.ones(4, 2, 8)
    caches = [torch.zeros(3, 2, 8) for _ in range(2)]
    _, _, k_cache, v_cache, _ = interpret("kv_store", x, x, *caches, torch.tensor([-1, 1, 3, 10**12]))
    for cache in (k_cache, v_cache):
        assert cache.sum(dim=(1, 2)).tolist() == [0, 16, 0]
