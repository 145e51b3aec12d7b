"""Native pages that the tree has taken over and requests still read: sealed when native memory has run short.

They went into the tree while there was enough of it, or while there was nothing to seal into. Those who share them
accept what they are sealed into, as the floor is part of the key.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from superinfer.kv import PAGE_TOKENS, Format, page_format
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.books import KvBooks
from superinfer.srt.kv.classes import floor_of_key
from superinfer.srt.kv.host_copies import HostCopies
from superinfer.srt.kv.measure import formats_of
from superinfer.srt.kv.order import order_of
from superinfer.srt.kv.page_names import PageNames, slots_of
from superinfer.srt.kv.pool import MixedKVPool

Take = Callable[[Format, int], list[int]]
"""First slots of so many pages of a format, or of as many as there are."""


class Read(NamedTuple):
    """A native page of a node.

    Attributes:
        node: SGLang's.
        place: Of the page in the node.
        slot: The first one of the page.
        coarsest: The coarsest format that it may have.
    """

    node: Any
    place: int
    slot: int
    coarsest: Format


class ReadPages:
    """The locked part of the radix tree.

    Args:
        pool: The memory.
        allocator: Its pages.
        tree_cache: SGLang's radix tree.
        table: SGLang's table of slots, int32 ``[rows, positions]``.
        books: Where compressed pages are counted.
    """

    def __init__(
        self, pool: MixedKVPool, allocator: MixedAllocator, tree_cache: Any, table: NDArray[np.int32], books: KvBooks
    ) -> None:
        self._pool, self._allocator, self._tree, self._table, self._books = pool, allocator, tree_cache, table, books
        self._order = order_of(tree_cache, lambda: allocator.pages.regions)
        self._copies = HostCopies.of(tree_cache)

    def seal(self, inside: Sequence[Any], pinned: Sequence[int], take: Take) -> None:
        """Seal as many as there is room for; none, if somebody reads them who is not known.

        Args:
            inside: Requests in the engine.
            pinned: SGLang's numbers of the nodes up to which clients have pinned prefixes.
            take: Gives pages to seal into.
        """
        if self._order is None:
            return
        found = (page for req in inside if self._has_native(req) for page in self._of(req))
        pages = list({page.slot: page for page in found}.values())
        if not pages:
            return
        nodes = list({page.node.id: page.node for page in pages}.values())
        names = PageNames(self._tree, self._table, inside, pinned, nodes)
        if not names.cover([page.slot // PAGE_TOKENS for page in pages]):
            return
        moves = self._targets(pages, take)
        if not moves:
            return
        self._pool.seal([page.slot for page, _ in moves], [target for _, target in moves])
        names.replace([(page.slot // PAGE_TOKENS, target // PAGE_TOKENS) for page, target in moves])
        self._allocator.give_back([page.slot for page, _ in moves])
        for node in nodes:
            if places := [page.place for page, _ in moves if page.node is node]:
                self._order.changed(node)
                if self._copies is not None:
                    self._copies.follow(node, places)
        self._books.changes += 1

    def _has_native(self, req: Any) -> bool:
        if req.kv_floor is Format.NATIVE:
            return False
        first_slots = self._table[req.kv.req_pool_idx, : req.kv.cache_protected_len : PAGE_TOKENS]
        return not formats_of(self._allocator.pages.regions, first_slots).all()

    def _of(self, req: Any) -> Iterator[Read]:
        """Native pages of the nodes that ``req`` has locked."""
        regions = self._allocator.pages.regions
        path, node = [], self._tree.tree_core.node_by_id(req.last_node)
        while node.parent is not None:
            path.append(node)
            node = node.parent
        first_page = 0
        for node in reversed(path):
            first_slots = slots_of(node)[::PAGE_TOKENS]
            floor = floor_of_key(node.key.extra_key)
            for place in np.flatnonzero(formats_of(regions, first_slots) == Format.NATIVE).tolist():
                yield Read(node, place, int(first_slots[place]), page_format(floor, first_page + place))
            first_page += len(first_slots)

    def _targets(self, pages: Sequence[Read], take: Take) -> list[tuple[Read, int]]:
        """Pages, each with the first slot of that into which it is sealed: the coarsest that is allowed and free."""
        left, moves = list(pages), list[tuple[Read, int]]()
        for fmt in (Format.INT4, Format.INT8):
            wanted = [page for page in left if page.coarsest >= fmt]
            taken = take(fmt, len(wanted))
            moves += zip(wanted, taken, strict=False)
            self._books.compressed[Format.NATIVE, fmt] += len(taken)
            self._allocator.refused[fmt] += sum(page.coarsest is fmt for page in wanted[len(taken) :])
            done = {page.slot for page in wanted[: len(taken)]}
            left = [page for page in left if page.slot not in done]
        return moves
