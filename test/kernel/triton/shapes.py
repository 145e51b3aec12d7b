"""Batches small enough for an interpreter, and the error that the tests bound."""

from dataclasses import fields

import torch
from hypothesis import strategies as st

from kernel.shapes import Case, cases
from superinfer.kernels import inputs

FLOATS = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])
ATTENTION = ("k_cache", "v_cache", "req_to_token", "rows", "seq_lens")


def small(lengths: st.SearchStrategy[tuple[int, int]], heads: int = 12) -> st.SearchStrategy[Case]:
    """Cases of up to so many query heads in all requests."""
    return cases(lengths).filter(lambda case: case.heads.q * len(case.batch.rows) <= heads)


def arguments(case: Case, *names: str) -> list[torch.Tensor]:
    """Members of the batch, in the order of the kernels' parameters."""
    batch = {field.name: getattr(case.batch, field.name) for field in fields(case.batch)}
    return [batch[name] for name in (*ATTENTION, *names)]


def queries(case: Case, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    tokens = int(case.batch.qo_indptr[-1])
    return inputs.strided(inputs.normal(tokens, case.heads.q, case.heads.dim, dtype=dtype, seed=case.seed))


def output(case: Case, q: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return inputs.strided(inputs.poisoned(q.shape[0], case.heads.q, case.heads.v_dim, dtype=dtype))
