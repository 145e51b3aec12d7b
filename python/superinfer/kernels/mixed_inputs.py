"""Random inputs of the kernels on several formats, and what they mean in plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from superinfer.kernels.inputs import Heads, PagedBatch
from superinfer.kv import PAGE_TOKENS, Format, KvShape, Page, RegionAllocator, Regions
from superinfer.kv.codec import key_numbers, pack_keys, pack_values, seal_keys, seal_values, value_numbers

SLAB_PAGES = 2


@dataclass(frozen=True, slots=True)
class MixedBatch:
    """Requests whose pages lie scattered over the regions of one memory.

    Attributes:
        k_cache: The memory of the keys as native slots; bytes of no page hold NaN in every format.
        v_cache: That of the values, likewise.
        slots: int64 ``[3]``: where the formats begin.
        plain: The same requests over caches of float32 numbers by logical slot: what the codes mean.
        regions: How the memory is cut.
    """

    k_cache: torch.Tensor
    v_cache: torch.Tensor
    slots: torch.Tensor
    plain: PagedBatch
    regions: Regions


def mixed_batch(
    requests: Sequence[tuple[int, Sequence[Format]]],
    heads: Heads,
    *,
    prefix_lens: Sequence[int] | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    numbers: bool = True,
) -> MixedBatch:
    """Requests of these lengths and formats.

    Args:
        requests: Keys of each request, and the formats that its pages have in turn, over and over.
        heads: Shape of the heads.
        prefix_lens: Keys before each request's first query; by default all but the last one.
        dtype: Of native numbers.
        seed: Same seed, same batch.
        numbers: Without them the caches of ``plain`` are empty, which saves several times the memory.
    """
    generator = torch.Generator().manual_seed(seed)
    formats = [[kinds[i % len(kinds)] for i in range(-(-length // PAGE_TOKENS))] for length, kinds in requests]
    regions = _regions(KvShape(1, heads.kv, heads.dim, heads.v_dim, dtype.itemsize), list(chain(*formats)))
    memory = _Memory(regions, dtype, numbers)
    pages = _scattered(regions, formats, generator)
    table = torch.full((len(requests) + 2, max([length for length, _ in requests] + [1]) + 3), -1, dtype=torch.int32)
    rows = torch.randperm(len(requests) + 2, generator=generator)[: len(requests)]
    for row, (length, _), own in zip(rows, requests, pages, strict=True):
        for i, page in enumerate(own):
            k = torch.randn(heads.kv, PAGE_TOKENS, heads.dim, generator=generator)
            v = torch.randn(heads.kv, PAGE_TOKENS, heads.v_dim, generator=generator)
            used = PAGE_TOKENS if page.format is not Format.NATIVE else min(PAGE_TOKENS, length - i * PAGE_TOKENS)
            slot = memory.write(page, k[:, :used], v[:, :used])
            count = min(PAGE_TOKENS, length - i * PAGE_TOKENS)
            table[row, i * PAGE_TOKENS :][:count] = torch.arange(slot, slot + count)
    lengths = torch.tensor([length for length, _ in requests], dtype=torch.int64)
    prefixes = (lengths - 1).clamp(min=0) if prefix_lens is None else torch.tensor(prefix_lens, dtype=torch.int64)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), (lengths - prefixes).cumsum(0)])
    plain = PagedBatch(memory.k_numbers, memory.v_numbers, table, rows, lengths, prefixes, indptr)
    return MixedBatch(memory.k_cache, memory.v_cache, torch.tensor(regions.slots), plain, regions)


def _regions(shape: KvShape, formats: Sequence[Format]) -> Regions:
    """Room for these pages, and for one more of each format."""
    sizes = [1, 1, 1]
    while True:
        regions = Regions(shape, sum(sizes), (sizes[0], sizes[0] + sizes[1]), SLAB_PAGES)
        # One native page is not given away.
        short = [fmt for fmt in Format if len(regions.pages(fmt)) < formats.count(fmt) + 2]
        if not short:
            return regions
        sizes[short[0]] += 1 + sizes[short[0]] // 8


def _scattered(regions: Regions, formats: Sequence[Sequence[Format]], generator: torch.Generator) -> list[list[Page]]:
    """A page for each of these, in random order within its region."""
    allocator = RegionAllocator(regions)
    free = {fmt: allocator.allocate(fmt, allocator.available(fmt)) for fmt in Format}
    shuffled = {
        fmt: [pages[i] for i in torch.randperm(len(pages), generator=generator).tolist()] for fmt, pages in free.items()
    }
    return [[shuffled[fmt].pop() for fmt in kinds] for kinds in formats]


class _Memory:
    """The memory of one layer, and the numbers that its slots mean."""

    def __init__(self, regions: Regions, dtype: torch.dtype, numbers: bool) -> None:
        shape = regions.shape
        self._regions = regions
        slots = PAGE_TOKENS * regions.capacity(Format.NATIVE)
        self.k_cache = _poison(slots, shape.heads, shape.k_dim, dtype)
        self.v_cache = _poison(slots, shape.heads, shape.v_dim, dtype)
        self._numbers = numbers
        logical = regions.slots[2] if numbers else 0
        self.k_numbers = torch.full((logical, shape.heads, shape.k_dim), torch.nan)
        self.v_numbers = torch.full((logical, shape.heads, shape.v_dim), torch.nan)

    def write(self, page: Page, k: torch.Tensor, v: torch.Tensor) -> int:
        """Store ``[heads, tokens, dim]`` in a page; returns its first slot."""
        slot, fmt = self._regions.slot(page.format, page.number), page.format
        if fmt is Format.NATIVE:
            k, v = k.to(self.k_cache.dtype), v.to(self.v_cache.dtype)
            self.k_cache[slot : slot + k.shape[1]] = k.transpose(0, 1)
            self.v_cache[slot : slot + v.shape[1]] = v.transpose(0, 1)
        else:
            keys, values = seal_keys(k, fmt.bits), seal_values(v, fmt.bits)
            _bytes(self.k_cache, page.number, pack_keys(keys, fmt))
            _bytes(self.v_cache, page.number, pack_values(values, fmt, v.shape[-1]))
            k, v = key_numbers(keys), value_numbers(values, v.shape[-1])
        if self._numbers:
            self.k_numbers[slot : slot + k.shape[1]] = k.transpose(0, 1).float()
            self.v_numbers[slot : slot + v.shape[1]] = v.transpose(0, 1).float()
        return slot


def page_bytes(cache: torch.Tensor, number: int, size: int) -> torch.Tensor:
    """The bytes of a page of this size."""
    return cache.view(torch.uint8).flatten()[number * size : (number + 1) * size]


def _bytes(cache: torch.Tensor, number: int, heads: torch.Tensor) -> None:
    page_bytes(cache, number, heads.numel()).copy_(heads.flatten())


def _poison(slots: int, heads: int, dim: int, dtype: torch.dtype) -> torch.Tensor:
    """All bits set: NaN in every float format."""
    return (
        torch.full((slots * heads * dim * dtype.itemsize,), 255, dtype=torch.uint8).view(dtype).view(slots, heads, dim)
    )
