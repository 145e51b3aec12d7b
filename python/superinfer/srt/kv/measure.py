"""In which formats the pages of a node are, and how much room that is."""

from collections.abc import Collection, Sequence
from functools import cache
from itertools import accumulate, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sglang.srt.mem_cache.unified_cache.component_type import BASE_COMPONENT_TYPE

from superinfer.cache.stored import Stored
from superinfer.kv import PAGE_TOKENS, Format, Regions
from superinfer.srt.cache.measure import Measure
from superinfer.srt.kv.allocator import MixedAllocator


def formats_of(regions: Regions, first_slots: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Formats of pages, by their first slots."""
    int8, int4, _ = regions.slots
    return (first_slots >= int8).astype(np.int64) + (first_slots >= int4)


def node_formats(regions: Regions, node: Any) -> NDArray[np.int64]:
    """Formats of the pages of SGLang's ``node``, first to last."""
    return formats_of(regions, node.component_data[BASE_COMPONENT_TYPE].value[::PAGE_TOKENS].numpy())


@cache
def groups_with(formats: Collection[Format]) -> frozenset[int]:
    """The groups of nodes that have pages of any of these formats."""
    every = [held for size in range(1, len(Format) + 1) for held in combinations(Format, size)]
    return frozenset(_group(held) for held in every if set(held) & set(formats))


def _group(formats: Collection[Format]) -> int:
    return sum(1 << fmt for fmt in formats)


class ByFormat(Measure):
    """Nodes of the same formats are a group; a page weighs its bytes. The levels are the formats.

    Args:
        allocator: Of the pages.
    """

    def __init__(self, allocator: MixedAllocator) -> None:
        self._allocator = allocator
        shape = allocator.pages.regions.shape
        self._weights = np.array([shape.page_bytes(fmt) / shape.page_bytes(Format.NATIVE) for fmt in Format])

    @property
    def native_tokens(self) -> int:
        """Native tokens that would take as many bytes as all pages of all formats."""
        regions = self._allocator.pages.regions
        return int(sum(regions.tokens(fmt) * self._weights[fmt] for fmt in Format))

    def stored(self, node: Any) -> Stored:
        """By the formats of its pages."""
        counts = self._counts(node)
        weight = float(counts @ self._weights) / max(int(counts.sum()), 1)
        return Stored(_group([fmt for fmt in Format if counts[fmt]]), round(weight, 6))

    def tokens(self, node: Any) -> Sequence[int]:
        """In pages of each format or a finer one."""
        counts = self._counts(node).tolist()
        return tuple(PAGE_TOKENS * pages for pages in accumulate(counts))

    def pool_tokens(self) -> Sequence[int]:
        """In the regions of each format and the finer ones."""
        regions = self._allocator.pages.regions
        return tuple(accumulate(regions.tokens(fmt) for fmt in Format))

    def _counts(self, node: Any) -> NDArray[np.int64]:
        return np.bincount(node_formats(self._allocator.pages.regions, node), minlength=len(Format))
