"""Cached prefixes that nobody reads: made coarser where they may be, and evicted format by format.

Works on trees in Python; on SGLang's in Rust eviction takes no account of formats.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from sglang.srt.mem_cache.unified_cache.component_type import BASE_COMPONENT_TYPE

from superinfer.kv import PAGE_TOKENS, Format, page_format
from superinfer.srt.cache.radix_cache import LearnedRadixCache
from superinfer.srt.kv import classes
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.books import KvBooks
from superinfer.srt.kv.host_copies import HostCopies
from superinfer.srt.kv.measure import node_formats
from superinfer.srt.kv.order import order_of

SPARE_PAGES: Final = 16
"""Pages that are made coarser beyond what is needed, so that not every step goes through the tree."""


class Cooling(NamedTuple):
    """A page of a node that nobody reads, which may be coarser than it is.

    Attributes:
        node: SGLang's.
        place: Of the page in the node.
        coarsest: The coarsest format that it may have.
    """

    node: Any
    place: int
    coarsest: Format


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
        self._order = order_of(tree_cache, lambda: allocator.pages.regions)
        ours = isinstance(tree_cache, LearnedRadixCache)
        self._evict = tree_cache.evict_leaf if ours else tree_cache._evict_device_leaf
        self._copies = HostCopies.of(tree_cache)

    @property
    def can_change(self) -> bool:
        """Whether the tree lets pages be made coarser."""
        return self._order is not None

    def make_room(self, fmt: Format, pages: int) -> int:
        """See that so many pages of a format are free, as far as idle prefixes can do that.

        Pages of this format are first made coarser where the requests that share them accept it and there is room. Then
        prefixes go, least worth first: those that hold pages of this format, and those in whose place some of it fits;
        in the end those that stand below one with pages of this format.

        Returns:
            Pages of this format for which prefixes have to go.
        """
        if self._order is None or self._free(fmt) >= pages:
            return max(pages - self._free(fmt), 0)
        left = self._compress(fmt, self._cooling(fmt), pages + SPARE_PAGES)
        if (lacking := pages - self._free(fmt)) <= 0:
            return 0
        places = {fmt, *(coarser for page in left for coarser in fmt.coarser if coarser <= page.coarsest)}
        with closing(self._order.victims(places)) as victims:
            for node_id in victims:
                self._drop(node_id)
                left = self._compress(fmt, left, pages)
                if self._free(fmt) >= pages:
                    break
                if not left:
                    places.intersection_update({fmt})
        while self._free(fmt) < pages and (covering := self._order.covering(fmt)) is not None:
            self._drop(covering)
        return lacking

    def _drop(self, node_id: int) -> None:
        self._evict(node_id, defaultdict(int))
        self._allocator.settle_frees()

    def cool(self, fmt: Format, pages: int) -> bool:
        """Make pages of a format coarser until so many are free, if there is room; evict nothing.

        Returns:
            Whether any has been.
        """
        if self._order is None or not any(map(self._free, fmt.coarser)):
            return False
        before = self._free(fmt)
        self._compress(fmt, self._cooling(fmt), pages)
        return self._free(fmt) > before

    def _free(self, fmt: Format) -> int:
        return self._allocator.pages.available(fmt)

    def _cooling(self, fmt: Format) -> list[Cooling]:
        """Idle pages of a format that may be coarser, least worth first; of a node, the last first."""
        assert self._order is not None
        regions = self._allocator.pages.regions
        if not any(self._books.requests[floor] for floor in fmt.coarser):
            return []  # nobody has come who accepts a coarser one

        def wanted(node: Any) -> bool:
            return classes.floor_of_key(node.key.extra_key) > fmt

        found: list[Cooling] = []
        for node, first_page in self._order.idle(fmt, wanted):
            floor = classes.floor_of_key(node.key.extra_key)
            for place in np.flatnonzero(node_formats(regions, node) == fmt)[::-1].tolist():
                coarsest = page_format(floor, first_page + place)
                if coarsest > fmt:
                    found.append(Cooling(node, place, coarsest))
        return found

    def _compress(self, fmt: Format, cooling: Iterable[Cooling], pages: int) -> list[Cooling]:
        """Seal pages of a format into coarser ones that are free, until so many are free; returns what is left."""
        assert self._order is not None
        sources: list[int] = []
        targets: list[int] = []
        changed: dict[int, tuple[Any, list[int]]] = {}
        left: list[Cooling] = []
        for page in cooling:
            value = page.node.component_data[BASE_COMPONENT_TYPE].value
            if value is None or not self._order.is_there(page.node):
                continue  # it has left the device meanwhile
            enough = self._free(fmt) + len(sources) >= pages
            target = None if enough else self._target(fmt, page.coarsest)
            if target is None:
                left.append(page)
                continue
            place = slice(page.place * PAGE_TOKENS, (page.place + 1) * PAGE_TOKENS)
            sources.append(int(value[place.start]))
            targets.append(target)
            value[place] = torch.arange(target, target + PAGE_TOKENS)
            changed.setdefault(page.node.id, (page.node, []))[1].append(page.place)
        if sources:
            self._allocator.get_kvcache().seal(sources, targets)
            self._allocator.give_back(sources)
            for node, places in changed.values():
                self._order.changed(node)
                if self._copies is not None:
                    self._copies.follow(node, places)
            self._books.changes += 1
        return left

    def _target(self, fmt: Format, coarsest: Format) -> int | None:
        """First slot of a free page of the coarsest format that is allowed; ``None`` if there is none."""
        for coarser in sorted(fmt.coarser, reverse=True):
            if coarser <= coarsest and self._free(coarser):
                self._books.compressed[fmt, coarser] += 1
                (target,) = self._allocator.take(coarser, 1)
                return target
        return None
