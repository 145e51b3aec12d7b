"""Random inputs of the kernels, shared by tests, benchmarks and documentation."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Heads:
    """Shape of the attention heads."""

    q: int = 9
    kv: int = 3
    dim: int = 64
    v_dim: int = 64


@dataclass(frozen=True, slots=True)
class PagedBatch:
    """Requests whose keys and values lie scattered over a pool.

    Attributes:
        k_cache: ``[slots, kv_heads, head_dim]``; slots of no request hold NaN.
        v_cache: ``[slots, kv_heads, v_head_dim]``, likewise.
        req_to_token: int32 ``[rows, max_context]``; entries beyond a request's length are -1.
        rows: int64 ``[requests]``.
        seq_lens: int64 ``[requests]``.
        prefix_lens: int64 ``[requests]``.
        qo_indptr: int64 ``[requests + 1]``.
    """

    k_cache: torch.Tensor
    v_cache: torch.Tensor
    req_to_token: torch.Tensor
    rows: torch.Tensor
    seq_lens: torch.Tensor
    prefix_lens: torch.Tensor
    qo_indptr: torch.Tensor


def paged_batch(
    seq_lens: Sequence[int],
    heads: Heads,
    *,
    prefix_lens: Sequence[int] | None = None,
    page_size: int = 1,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> PagedBatch:
    """Requests of these lengths on randomly permuted pages.

    Args:
        seq_lens: Keys of each request.
        heads: Shape of the heads.
        prefix_lens: Keys before each request's first query; by default all but the last one.
        page_size: Slots that stay together.
        dtype: Of the cache.
        seed: Same seed, same batch.
    """
    generator = torch.Generator().manual_seed(seed)
    pages = [-(-length // page_size) for length in seq_lens]
    order = torch.randperm(sum(pages) + 2, generator=generator)
    slots = len(order) * page_size
    requests = len(seq_lens)
    table = torch.full((requests + 2, max([*seq_lens, 1]) + 3), -1, dtype=torch.int32)
    rows = torch.randperm(requests + 2, generator=generator)[:requests]
    k_cache = torch.full((slots, heads.kv, heads.dim), float("nan"), dtype=dtype)
    v_cache = torch.full((slots, heads.kv, heads.v_dim), float("nan"), dtype=dtype)
    first = 0
    for row, length, count in zip(rows, seq_lens, pages, strict=True):
        own = order[first : first + count, None] * page_size + torch.arange(page_size)
        used = own.flatten()[:length]
        table[row, :length] = used.to(torch.int32)
        k_cache[used] = torch.randn(length, heads.kv, heads.dim, generator=generator).to(dtype)
        v_cache[used] = torch.randn(length, heads.kv, heads.v_dim, generator=generator).to(dtype)
        first += count
    lengths = torch.tensor(seq_lens, dtype=torch.int64)
    prefixes = (lengths - 1).clamp(min=0) if prefix_lens is None else torch.tensor(prefix_lens, dtype=torch.int64)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), (lengths - prefixes).cumsum(0)])
    return PagedBatch(k_cache, v_cache, table, rows, lengths, prefixes, indptr)


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 1) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def poisoned(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """An output full of NaN, which a kernel has to overwrite."""
    return torch.full(shape, float("nan"), dtype=dtype)


def strided(x: torch.Tensor, padding: int = 5) -> torch.Tensor:
    """A view equal to ``x`` whose rows lie ``padding`` NaN further apart, like a slice of a fused projection."""
    flat = x.flatten(1)
    wide = torch.full((x.shape[0], flat.shape[1] + padding), float("nan"), dtype=x.dtype)
    wide[:, : flat.shape[1]] = flat
    return wide[:, : flat.shape[1]].unflatten(1, x.shape[1:])


def cos_sin_cache(positions: int, rotary_dim: int, base: float = 10000.0) -> torch.Tensor:
    """SGLang's table of rotary embeddings: ``[positions, rotary_dim]``, cosines then sines."""
    frequencies = base ** (-torch.arange(0, rotary_dim, 2, dtype=torch.float64) / rotary_dim)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1).float()
