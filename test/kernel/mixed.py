"""Hypothesis strategies of batches over several formats, and calls of the kernels on them."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st

from kernel.shapes import CACHE_DTYPES, SEEDS, heads
from superinfer import kernels
from superinfer.kernels import inputs
from superinfer.kernels.mixed_inputs import MixedBatch, mixed_batch
from superinfer.kv import Format

KINDS = st.lists(st.sampled_from(Format), min_size=1, max_size=5)


@dataclass(frozen=True)
class MixedCase:
    batch: MixedBatch
    heads: inputs.Heads
    seed: int

    @property
    def scale(self) -> float:
        return self.heads.dim**-0.5


def mixed_cases(lengths: st.SearchStrategy[tuple[int, int]], most_heads: int = 10**6) -> st.SearchStrategy[MixedCase]:
    """Batches of requests whose (prefix, new tokens) are drawn from ``lengths`` and whose pages have any formats."""

    @st.composite
    def build(draw: st.DrawFn) -> MixedCase:
        shape = draw(heads())
        drawn = draw(st.lists(st.tuples(lengths, KINDS), min_size=1, max_size=4))
        requests = [(prefix + new, kinds) for (prefix, new), kinds in drawn]
        prefixes = [prefix for (prefix, _), _ in drawn]
        seed = draw(SEEDS)
        batch = mixed_batch(requests, shape, prefix_lens=prefixes, dtype=draw(CACHE_DTYPES), seed=seed)
        return MixedCase(batch, shape, seed)

    return build().filter(lambda case: case.heads.q * len(case.batch.plain.rows) <= most_heads)


def queries(case: MixedCase, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    tokens = int(case.batch.plain.qo_indptr[-1])
    return inputs.strided(inputs.normal(tokens, case.heads.q, case.heads.dim, dtype=dtype, seed=case.seed))


def output(case: MixedCase, q: torch.Tensor) -> torch.Tensor:
    return inputs.poisoned(q.shape[0], case.heads.q, case.heads.v_dim, dtype=q.dtype)


def decode_arguments(case: MixedCase) -> tuple[torch.Tensor, ...]:
    batch, plain = case.batch, case.batch.plain
    return batch.k_cache, batch.v_cache, batch.slots, plain.req_to_token, plain.rows, plain.seq_lens


def extend_arguments(case: MixedCase) -> tuple[torch.Tensor, ...]:
    return (*decode_arguments(case), case.batch.plain.prefix_lens, case.batch.plain.qo_indptr)


def decode(case: MixedCase, q: torch.Tensor, **options: float) -> torch.Tensor:
    out = output(case, q)
    kernels.mixed_decode_attention(q, *decode_arguments(case), out, scale=case.scale, **options)
    return out


def extend(case: MixedCase, q: torch.Tensor, **options: float) -> torch.Tensor:
    out = output(case, q)
    kernels.mixed_extend_attention(q, *extend_arguments(case), out, scale=case.scale, **options)
    return out
