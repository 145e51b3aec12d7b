"""Facts about the nodes of a radix tree, a column each, addressed by slots that are used again."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from superinfer.cache.stored import PLAIN, Stored
from superinfer.cache.use import Kind, Use

NodeId = TypeVar("NodeId", bound=Hashable)

NONE = -1
"""The slot of no node: the parent of those at the top."""


class Nodes(Generic[NodeId]):
    """Slots of resident nodes, and of the latest ``ghosts`` removed ones, whose history is worth keeping.

    Columns are plain lists, since they are read one element at a time.
    """

    def __init__(self, ghosts: int) -> None:
        self.slots: dict[NodeId, int] = {}
        self.ids: list[NodeId | None] = []
        self.parent: list[int] = []
        self.children: list[int] = []
        self.born: list[int] = []
        self.tokens: list[int] = []
        self.depth: list[int] = []
        self.kind: list[Kind] = []
        self.stored: list[Stored] = []
        self.locks: list[int] = []
        self.resident: list[bool] = []
        self.uses: list[int] = []
        self.created: list[Use] = []
        self.last: list[Use] = []
        self._free: list[int] = []
        self._ghosts: OrderedDict[int, None] = OrderedDict()
        self._ghost_limit = ghosts

    def add(self, node: NodeId, parent: int, tokens: int, kind: Kind, use: Use) -> tuple[int, bool]:
        """Make the node resident; returns its slot, and whether it was remembered."""
        slot = self.slots.get(node, NONE)
        remembered = slot != NONE
        if remembered:
            del self._ghosts[slot]
        else:
            slot = self._free.pop() if self._free else self._grow(use)
            self.slots[node] = slot
            self.ids[slot] = node
            self.born[slot] = 0
        self.depth[slot] = tokens + (self.depth[parent] if parent != NONE else 0)
        self.parent[slot], self.tokens[slot], self.kind[slot] = parent, tokens, kind
        self.stored[slot] = PLAIN
        self.children[slot], self.locks[slot], self.uses[slot] = 0, 0, 1
        self.created[slot] = self.last[slot] = use
        self.resident[slot] = True
        if parent != NONE:
            self.children[parent] += 1
            self.born[parent] += not remembered
        return slot, remembered

    def to_ghost(self, slot: int) -> list[int]:
        """Remember a node that is removed; returns the slots of those forgotten for it."""
        parent = self.parent[slot]
        if parent != NONE:
            self.children[parent] -= 1
        self.resident[slot] = False
        self.parent[slot] = NONE
        self._ghosts[slot] = None
        forgotten = []
        while len(self._ghosts) > self._ghost_limit:
            oldest, _ = self._ghosts.popitem(last=False)
            self.slots.pop(self._id(oldest))
            self.ids[oldest] = None
            self._free.append(oldest)
            forgotten.append(oldest)
        return forgotten

    def name(self, slot: int) -> NodeId:
        """The node of a slot."""
        return self._id(slot)

    def _id(self, slot: int) -> NodeId:
        node = self.ids[slot]
        if node is None:
            raise LookupError(f"slot {slot} holds no node")
        return node

    def _grow(self, use: Use) -> int:
        slot = len(self.ids)
        self.ids.append(None)
        self.kind.append(Kind.UNKNOWN)
        self.stored.append(PLAIN)
        self.created.append(use)
        self.last.append(use)
        self.resident.append(False)
        for column in (self.parent, self.children, self.born, self.tokens, self.depth, self.locks, self.uses):
            column.append(0)
        return slot
