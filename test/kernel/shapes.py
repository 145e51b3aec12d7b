"""Hypothesis strategies of kernel inputs, and the error the tests bound."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st

from superinfer.kernels.inputs import Heads, PagedBatch, paged_batch

CACHE_DTYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])
HEAD_DIMS = st.sampled_from([8, 24, 64, 80, 96, 128, 256])
SEEDS = st.integers(0, 2**31)


@st.composite
def heads(draw: st.DrawFn) -> Heads:
    """MHA, GQA and MQA, with head dimensions that do not fill a vector too."""
    kv = draw(st.integers(1, 4))
    return Heads(q=kv * draw(st.integers(1, 9)), kv=kv, dim=draw(HEAD_DIMS), v_dim=draw(HEAD_DIMS))


@dataclass(frozen=True)
class Case:
    batch: PagedBatch
    heads: Heads
    scale: float
    seed: int

    @property
    def tolerance(self) -> float:
        return 1e-5 if self.batch.k_cache.dtype == torch.float32 else 4e-3


def cases(lengths: st.SearchStrategy[tuple[int, int]]) -> st.SearchStrategy[Case]:
    """Batches of requests whose (prefix, new tokens) are drawn from ``lengths``."""

    @st.composite
    def build(draw: st.DrawFn) -> Case:
        shape = draw(heads())
        requests = draw(st.lists(lengths, min_size=1, max_size=5))
        seed = draw(SEEDS)
        batch = paged_batch(
            [prefix + new for prefix, new in requests],
            shape,
            prefix_lens=[prefix for prefix, _ in requests],
            page_size=draw(st.sampled_from([1, 16])),
            dtype=draw(CACHE_DTYPES),
            seed=seed,
        )
        return Case(batch, shape, shape.dim**-0.5, seed)

    return build()


def error(actual: torch.Tensor, expected: torch.Tensor, typical: float = 1e-30) -> float:
    """Largest difference relative to the largest expected number, or to ``typical`` if that is larger; NaN if any
    output is NaN."""
    if expected.numel() == 0:
        return 0.0
    return ((actual.double() - expected.double()).abs().max() / expected.abs().max().clamp(min=typical)).item()


def typical_product(x: torch.Tensor, weight: torch.Tensor) -> float:
    """The size of a product of random rows: with few outputs, all may happen to cancel to far less than was added."""
    if x.numel() == 0:
        return 0.0
    return (x.double().norm(dim=1).max() * weight.double().norm(dim=1).max()).item() / x.shape[1] ** 0.5
