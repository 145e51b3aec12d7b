"""Cached prefixes that nobody reads: made coarser where they may be, and evicted format by format.

Works on SGLang's tree in Python, which the platform chooses; on another one eviction takes no account of formats.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from sglang.srt.mem_cache.unified_cache.component_type import BASE_COMPONENT_TYPE
from sglang.srt.mem_cache.unified_cache.unified_tree_core import UnifiedTreeCore

from superinfer.kv import PAGE_TOKENS, Format, page_format
from superinfer.srt.kv import classes
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.books import KvBooks


class Prefixes:
    """The unlocked part of the radix tree.

    Args:
        tree_cache: SGLang's radix tree.
        allocator: Pages.
        books: Where compressed pages are counted.
    """

    def __init__(self, tree_cache: Any, allocator: MixedAllocator, books: KvBooks) -> None:
        self._tree = tree_cache
        self._allocator = allocator
        self._books = books

    def make_room(self, fmt: Format, pages: int) -> None:
        """See that so many pages of a format are free, as far as idle prefixes can do that.

        Native and int8 pages are first made coarser where the requests that share them accept it; then prefixes go that
        hold pages of this format, those first that SGLang would evict first.
        """
        if isinstance(self._tree.tree_core, UnifiedTreeCore):
            # Only what found no room in its format has a coarser one to go to.
            if self._books.spilled and any(map(self._free, fmt.coarser)):
                self._compress(fmt, pages - self._free(fmt))
            self._evict(fmt, pages)

    def _free(self, fmt: Format) -> int:
        return self._allocator.pages.available(fmt)

    def _compress(self, fmt: Format, pages: int) -> None:
        """Seal up to ``pages`` idle pages of a format into coarser ones that are free, least recently used first."""
        sources: list[int] = []
        targets: list[int] = []
        idle = sorted(self._idle(), key=lambda found: found[0].last_access_time)
        for node, first_page in idle:
            floor, value = classes.floor_of_key(node.key.extra_key), node.component_data[BASE_COMPONENT_TYPE].value
            for place, source in enumerate(value[::PAGE_TOKENS].tolist()):
                if len(sources) >= pages:
                    break
                target = self._coarser(fmt, page_format(floor, first_page + place), source)
                if target is not None:
                    begin = place * PAGE_TOKENS
                    value[begin : begin + PAGE_TOKENS] = torch.arange(target, target + PAGE_TOKENS)
                    sources.append(source)
                    targets.append(target)
        if sources:
            self._allocator.get_kvcache().seal(sources, targets)
            self._allocator.give_back(sources)

    def _coarser(self, fmt: Format, coarsest: Format, source: int) -> int | None:
        """First slot of a free page to seal a page of ``fmt`` into; ``None`` if it is of another format, or stays."""
        if self._allocator.pages.regions.format(source) is not fmt:
            return None
        for coarser in sorted(fmt.coarser, reverse=True):
            if coarser <= coarsest and self._free(coarser):
                self._books.compressed[coarser] += 1
                (target,) = self._allocator.take(coarser, 1)
                return target
        return None

    def _idle(self) -> Iterator[tuple[Any, int]]:
        """Nodes that no request reads, and the place of their first page in a request."""
        stack = [(child, 0) for child in self._tree.tree_core.root_node.children.values()]
        while stack:
            node, first_page = stack.pop()
            data = node.component_data[BASE_COMPONENT_TYPE]
            if data.lock_ref == 0 and data.value is not None:
                yield node, first_page
            stack += [(child, first_page + len(node.key) // PAGE_TOKENS) for child in node.children.values()]

    def _evict(self, fmt: Format, pages: int) -> None:
        """Evict leaves that hold pages of a format until so many are free, in SGLang's order."""
        core = self._tree.tree_core
        rank = core.eviction_strategy.get_priority
        heap = [(rank(node), node) for node in core.evictable_device_leaves if self._holds(node, fmt)]
        heapq.heapify(heap)
        while heap and self._free(fmt) < pages:
            _, node = heapq.heappop(heap)
            parent = node.parent
            self._tree._evict_device_leaf(node.id, defaultdict(int))
            if parent in core.evictable_device_leaves and self._holds(parent, fmt):
                heapq.heappush(heap, (rank(parent), parent))

    def _holds(self, node: Any, fmt: Format) -> bool:
        regions = self._allocator.pages.regions
        slots = node.component_data[BASE_COMPONENT_TYPE].value[::PAGE_TOKENS].tolist()
        return any(regions.format(slot) is fmt for slot in slots)
