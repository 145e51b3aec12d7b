"""In which order cached prefixes that nobody reads are made coarser, and evicted: SGLang's, or that of our cache."""

import heapq
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, Protocol

from sglang.srt.mem_cache.unified_cache.component_type import BASE_COMPONENT_TYPE
from sglang.srt.mem_cache.unified_cache.unified_tree_core import UnifiedTreeCore

from superinfer.kv import PAGE_TOKENS, Format, Regions
from superinfer.srt.cache.tree_core import LearnedTreeCore
from superinfer.srt.kv.measure import groups_with, node_formats


class Idle(NamedTuple):
    """A node that no request reads.

    Attributes:
        node: SGLang's.
        first_page: The place of its first page in a request.
    """

    node: Any
    first_page: int


class Order(Protocol):
    """Least worth first."""

    def idle(self, fmt: Format, wanted: Callable[[Any], bool]) -> list[Idle]:
        """Nodes that no request reads and that have pages of a format, of those that are ``wanted``."""

    def victims(self, formats: set[Format]) -> Generator[int, None, None]:
        """SGLang's numbers of nodes to evict that have pages of these formats; each has to be gone before the next is
        asked for. ``formats`` may become fewer meanwhile."""

    def covering(self, fmt: Format) -> int | None:
        """SGLang's number of the first node to evict below idle ones with pages of a format, if any."""

    def changed(self, node: Any) -> None:
        """Pages of ``node`` have another format now."""

    def is_there(self, node: Any) -> bool:
        """Whether ``node`` is still in the tree."""


class Recency(Order):
    """The order of SGLang's eviction policy; prefixes are made coarser by their last use.

    Args:
        core: SGLang's tree.
        regions: How slots tell formats now.
    """

    def __init__(self, core: UnifiedTreeCore, regions: Callable[[], Regions]) -> None:
        self._core = core
        self._regions = regions

    def idle(self, fmt: Format, wanted: Callable[[Any], bool]) -> list[Idle]:
        """By last use."""

        def has(node: Any) -> bool:
            return wanted(node) and fmt in node_formats(self._regions(), node)

        return sorted(_idle(self._core, has), key=lambda found: int(found.node.last_access_time))

    def victims(self, formats: set[Format]) -> Generator[int, None, None]:
        """By SGLang's priority."""
        leaves, rank = self._core.evictable_device_leaves, self._core.eviction_strategy.get_priority
        heap = [(rank(node), node) for node in leaves]
        heapq.heapify(heap)
        while heap:
            _, node = heapq.heappop(heap)
            if not formats.isdisjoint(node_formats(self._regions(), node).tolist()):
                parent = node.parent
                yield node.id
                if parent in leaves:
                    heapq.heappush(heap, (rank(parent), parent))

    def covering(self, fmt: Format) -> int | None:
        """By SGLang's priority."""
        found = _covering(self._core, self._regions(), fmt)
        return min(found, key=self._core.eviction_strategy.get_priority).id if found else None

    def changed(self, node: Any) -> None:
        """That makes no difference to it."""

    def is_there(self, node: Any) -> bool:
        """By SGLang's table of nodes."""
        return node.id in self._core._node_arena


class Booked(Order):
    """The order of our cache: by the price of a byte, or by last use, as its guard decides.

    Args:
        core: Our tree, whose book knows the formats.
        regions: How slots tell formats now.
    """

    def __init__(self, core: LearnedTreeCore, regions: Callable[[], Regions]) -> None:
        self._core = core
        self._regions = regions

    def idle(self, fmt: Format, wanted: Callable[[Any], bool]) -> list[Idle]:
        """As they would be evicted, if all were leaves."""
        book, groups = self._core.book, groups_with(frozenset((fmt,)))
        nodes, name, now_s = book.evictor.nodes, book.names.of, book.now_s()

        def has(node: Any) -> bool:
            return wanted(node) and nodes.stored[nodes.slots[name(node)]].group in groups

        def place(found: Idle) -> tuple[float, ...]:
            return (*book.evictor.key(name(found.node), now_s), found.node.id)

        return sorted(_idle(self._core, has), key=place)

    def victims(self, formats: set[Format]) -> Generator[int, None, None]:
        """As the book says."""
        try:
            while (node_id := self._core.book.next_victim(groups_with(frozenset(formats)))) is not None:
                yield node_id
        finally:
            self._core.end_walk()

    def covering(self, fmt: Format) -> int | None:
        """As the book says."""
        book = self._core.book
        found, now_s = _covering(self._core, self._regions(), fmt), book.now_s()
        return min(found, key=lambda node: book.evictor.key(book.names.of(node), now_s)).id if found else None

    def changed(self, node: Any) -> None:
        """Its price is another one."""
        self._core.book.restored(node)

    def is_there(self, node: Any) -> bool:
        """By SGLang's table of nodes."""
        return self._core.node_or_none(node.id) is node


def order_of(tree_cache: Any, regions: Callable[[], Regions]) -> Order | None:
    """The order of a tree; ``None`` for one that lets nobody change its slots."""
    core = tree_cache.tree_core
    if isinstance(core, LearnedTreeCore):
        return Booked(core, regions)
    return Recency(core, regions) if isinstance(core, UnifiedTreeCore) else None


def _covering(core: UnifiedTreeCore, regions: Regions, fmt: Format) -> list[Any]:
    """Leaves that could go and stand on an idle node with pages of a format."""

    def stands_on(node: Any) -> bool:
        while (node := node.parent) is not core.root_node:
            data = node.component_data[BASE_COMPONENT_TYPE]
            if data.lock_ref:
                return False
            if data.value is not None and fmt in node_formats(regions, node):
                return True
        return False

    return [leaf for leaf in core.evictable_device_leaves if stands_on(leaf)]


def _idle(core: UnifiedTreeCore, wanted: Callable[[Any], bool]) -> Iterator[Idle]:
    stack = [Idle(child, 0) for child in core.root_node.children.values()]
    while stack:
        node, first_page = found = stack.pop()
        data = node.component_data[BASE_COMPONENT_TYPE]
        if data.lock_ref == 0 and data.value is not None and wanted(node):
            yield found
        stack += [Idle(child, first_page + len(node.key) // PAGE_TOKENS) for child in node.children.values()]
