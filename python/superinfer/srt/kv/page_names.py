"""Where SGLang writes down slots, so that a page can get another number while it is read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sglang.srt.mem_cache.unified_cache.component_type import BASE_COMPONENT_TYPE
from sglang.srt.mem_cache.unified_cache.unified_tree_core import UnifiedTreeCore

from superinfer.kv import PAGE_TOKENS


class PageNames:
    """Every place where a slot is written: rows of requests in the engine, and nodes of the tree.

    Args:
        tree_cache: SGLang's radix tree.
        table: SGLang's table of slots.
        inside: Requests in the engine.
        pinned: Nodes with which pinned prefixes end: their locks stand in no row.
        nodes: Those of SGLang's that may have the pages; all, if it is not known.
    """

    def __init__(
        self,
        tree_cache: Any,
        table: NDArray[np.int32],
        inside: Sequence[Any],
        pinned: Sequence[int],
        nodes: Sequence[Any] | None = None,
    ) -> None:
        self._complete = isinstance(tree_cache.tree_core, UnifiedTreeCore) and not any(
            req.session is not None or req.beam_group is not None for req in inside
        )
        self._rows = [table[req.kv.req_pool_idx, : req.kv.kv_allocated_len] for req in inside]
        self._tree = tree_cache
        self._pinned = pinned
        self._nodes = nodes
        self._found: list[NDArray[Any]] = []

    def cover(self, numbers: Sequence[int]) -> bool:
        """Whether all places are known that name these pages.

        A page of the tree is named by its node, and by the row of every request that has the node locked; another one
        by one row. Who has pinned a node knows its number, and no slots.
        """
        if not numbers:
            return True
        if not self._complete:
            return False
        wanted = np.array(sorted(numbers))
        in_rows = Counter[int]()
        for row in self._rows:
            in_rows.update(self._find(row, wanted))
        expected = dict.fromkeys(numbers, 1)
        pins = self._pins()
        for node in _all(self._tree.tree_core.root_node) if self._nodes is None else self._nodes:
            locks = node.component_data[BASE_COMPONENT_TYPE].lock_ref
            expected |= dict.fromkeys(self._find(slots_of(node), wanted), locks - pins[node.id])
        return all(in_rows[number] == count for number, count in expected.items())

    def _pins(self) -> Counter[int]:
        """How many pins hold each node: of the one with which it ends, and of all above."""
        pins = Counter[int]()
        for number in self._pinned:
            node = self._tree.tree_core.node_by_id(number)
            while node.parent is not None:
                pins[node.id] += 1
                node = node.parent
        return pins

    def replace(self, moved: Sequence[tuple[int, int]]) -> None:
        """Write new numbers where :meth:`cover` found those of pages."""
        if not moved:
            return
        sources, targets = np.array(sorted(moved)).T
        for slots in self._found:
            pages = slots // PAGE_TOKENS
            place = np.minimum(np.searchsorted(sources, pages), len(sources) - 1)
            hit = sources[place] == pages
            slots[hit] = targets[place[hit]] * PAGE_TOKENS + slots[hit] % PAGE_TOKENS

    def _find(self, slots: NDArray[Any], wanted: NDArray[Any]) -> list[int]:
        """Which of these pages stand in a row or a node; it begins with the first slot of a page, as each of them."""
        pages = slots[::PAGE_TOKENS] // PAGE_TOKENS
        found: list[int] = pages[np.isin(pages, wanted)].tolist()
        if found:
            self._found.append(slots)
        return found


def holding(running: Sequence[Any], chunked: Any) -> list[Any]:
    """Requests in the engine that have slots: those that decode, and the one whose prompt is computed in parts."""
    return [req for req in (*running, chunked) if req is not None and req.kv.holds_kv]


def slots_of(node: Any) -> NDArray[np.int64]:
    """The slots of a node, to read and to write."""
    slots: NDArray[np.int64] = node.component_data[BASE_COMPONENT_TYPE].value.numpy()
    return slots


def _all(root: Any) -> Iterator[Any]:
    stack = list(root.children.values())
    while stack:
        node = stack.pop()
        stack += node.children.values()
        if node.component_data[BASE_COMPONENT_TYPE].value is not None:
            yield node
