"""Chooses which nodes of a radix tree make room."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Generic

from superinfer.cache.changes import Changes
from superinfer.cache.nodes import NONE, NodeId, Nodes
from superinfer.cache.ranking import GroupedRanking, Key
from superinfer.cache.rule import Rule
from superinfer.cache.stored import PLAIN, Stored
from superinfer.cache.use import Kind, Use

GHOSTS = 200_000
"""Removed nodes that are remembered, unless told otherwise."""


class Evictor(Generic[NodeId]):
    """Follows a radix tree and answers ``victims``, in O(log n) for each of them.

    Only leaves that nobody has locked can go. The order among them is the rule's; when a rule says that a key will
    change at a certain time, the leaf is looked at again then. Nodes are named by their owner; a name that comes back
    after its removal, such as the hash of a prefix, brings its history with it.
    """

    def __init__(self, rule: Rule[NodeId], ghosts: int = GHOSTS) -> None:
        self.nodes: Nodes[NodeId] = Nodes(ghosts)
        self.resident_tokens = 0
        self._rule, self._version = rule, rule.version
        self._leaves = GroupedRanking()
        self._unranked: dict[int, None] = {}
        self._offered: dict[int, None] = {}
        self._now_s = 0.0
        self._leaving: dict[int, int] = {}
        self._changes = Changes()
        self._held: set[int] = set()
        rule.attach(self.nodes)

    def insert(
        self,
        node: NodeId,
        parent: NodeId | None,
        tokens: int,
        use: Use,
        kind: Kind = Kind.UNKNOWN,
        stored: Stored = PLAIN,
    ) -> None:
        """Add a node below ``parent``, or at the top.

        Raises:
            ValueError: It is there already, or its parent is not.
        """
        if self.resident(node):
            raise ValueError(f"node {node!r} is in the cache already")
        above = NONE if parent is None else self._slot(parent)
        self._now_s = max(self._now_s, use.time_s)
        slot, remembered = self.nodes.add(node, above, tokens, kind, use)
        self.nodes.stored[slot] = stored
        self.resident_tokens += tokens
        if remembered:
            self._rule.used(slot, use)
        else:
            self._rule.born(slot, use)
        if above != NONE:
            self._drop(above)
        self._unranked[slot] = None

    def access(self, node: NodeId, use: Use) -> None:
        """A request uses the node. Its path's nodes are told one by one, from the top."""
        slot = self._slot(node)
        self._now_s = max(self._now_s, use.time_s)
        self.nodes.uses[slot] += 1
        self.nodes.last[slot] = use
        self._rule.used(slot, use)
        if slot in self._leaves.groups:
            self._unranked[slot] = None

    def amend(self, node: NodeId, use: Use) -> None:
        """More is known of the last use than when it was told, such as the length of its answer: not another one."""
        slot = self._slot(node)
        self.nodes.last[slot] = use
        self._rule.amended(slot, use)
        if self._is_leaf(slot):
            self._update(slot)

    def store(self, node: NodeId, stored: Stored) -> None:
        """The node lies elsewhere in memory now."""
        slot = self._slot(node)
        if self.nodes.stored[slot] != stored:
            self.nodes.stored[slot] = stored
            if self._is_leaf(slot):
                self._update(slot)

    def key(self, node: NodeId, now_s: float) -> Key:
        """The node's place in the order, whether it can go or not; least goes first."""
        return self._rule.key(self._slot(node), max(self._now_s, now_s))[0]

    def split(self, node: NodeId, upper: NodeId, tokens: int) -> None:
        """The first ``tokens`` of a node become a node of their own, ``upper``, with the same history.

        Raises:
            ValueError: ``upper`` is there already, or nothing would be left of one of the two.
        """
        slot, nodes = self._slot(node), self.nodes
        if self.resident(upper) or not 0 < tokens < nodes.tokens[slot]:
            raise ValueError(f"node {node!r} of {nodes.tokens[slot]} tokens cannot be split at {tokens} as {upper!r}")
        self._withdraw_offers()
        above, _ = nodes.add(upper, nodes.parent[slot], tokens, nodes.kind[slot], nodes.created[slot])
        if nodes.parent[slot] != NONE:
            nodes.children[nodes.parent[slot]] -= 1
        nodes.parent[slot] = above
        nodes.tokens[slot] -= tokens
        nodes.children[above], nodes.born[above] = 1, 1
        nodes.locks[above], nodes.uses[above], nodes.last[above] = nodes.locks[slot], nodes.uses[slot], nodes.last[slot]
        nodes.stored[above] = nodes.stored[slot]
        self._rule.split(slot, above)
        self._update(slot)

    def remove(self, node: NodeId) -> None:
        """The node is gone.

        Raises:
            ValueError: It has children, or is locked.
        """
        slot, nodes = self._slot(node), self.nodes
        if nodes.children[slot] or nodes.locks[slot]:
            raise ValueError(f"node {node!r} has {nodes.children[slot]} children and {nodes.locks[slot]} locks")
        above = nodes.parent[slot]
        if slot in self._offered:
            del self._offered[slot]
            self._leave(above, -1)
        self._drop(slot)
        self._held.discard(slot)
        self.resident_tokens -= nodes.tokens[slot]
        for old in nodes.to_ghost(slot):
            self._rule.forgotten(old)
        if above != NONE and not self._is_leaf(above):
            self._update(above)

    def lock(self, node: NodeId) -> None:
        """Keep the node and those above it until ``unlock``."""
        self._count_locks(node, 1)

    def unlock(self, node: NodeId) -> None:
        """Take back one ``lock``."""
        self._count_locks(node, -1)

    def hold(self, node: NodeId) -> None:
        """Keep the node, and not those above it, until ``free``; more often does nothing more."""
        slot = self._slot(node)
        self._held.add(slot)
        self._update(slot)

    def free(self, node: NodeId) -> None:
        """Take back ``hold``."""
        slot = self._slot(node)
        self._held.discard(slot)
        self._update(slot)

    def reorder(self, slots: Iterable[int]) -> None:
        """The rule has changed its mind about these nodes."""
        for slot in slots:
            if slot in self._leaves.groups:
                self._unranked[slot] = None

    def leaves(self) -> set[NodeId]:
        """What could go now."""
        return {self.nodes.name(slot) for slot in (*self._leaves, *self._unranked, *self._offered)}

    def victims(self, need_tokens: int, now_s: float, groups: Collection[int] | None = None) -> list[NodeId]:
        """Nodes that make room, in the order in which they should be removed: at least so many tokens, if there are.

        Only those of ``groups``, if these are given: where others are below them, they are out of reach.
        They stay until ``remove``. Those still there at the next call compete again.
        """
        self._now_s = max(self._now_s, now_s)
        self._withdraw_offers()
        self.reorder(self._changes.until(self._now_s))
        if self._rule.version != self._version:
            self._version = self._rule.version
            self._unranked.update(dict.fromkeys(self._leaves))
        self._rank()
        freed = 0
        while freed < need_tokens and (slot := self._next_leaf(groups)) is not None:
            self._offered[slot] = None
            freed += self.nodes.tokens[slot]
            if (above := self.nodes.parent[slot]) != NONE:
                self._leave(above, 1)
                self._update(above)
                self._rank()
        return [self.nodes.name(slot) for slot in self._offered]

    def resident(self, node: NodeId) -> bool:
        """Whether the node is in the cache."""
        slot = self.nodes.slots.get(node, NONE)
        return slot != NONE and self.nodes.resident[slot]

    def known(self, node: NodeId) -> bool:
        """Whether the node is in the cache or remembered."""
        return node in self.nodes.slots

    def check_integrity(self) -> None:
        """Compare what is counted with what is there: for tests, and for a server that has nothing to do.

        Raises:
            RuntimeError: They differ; says in what.
        """
        nodes = self.nodes
        held = [slot for slot in nodes.slots.values() if nodes.resident[slot]]
        children = Counter(nodes.parent[slot] for slot in held)
        if total := sum(nodes.tokens[slot] for slot in held) - self.resident_tokens:
            raise RuntimeError(f"{total} tokens more are resident than were counted")
        for slot in held:
            if children[slot] != nodes.children[slot] or nodes.locks[slot] < 0:
                raise RuntimeError(
                    f"node {nodes.name(slot)!r} counts {nodes.children[slot]} children, not {children[slot]}"
                )
        if wrong := {slot for slot in held if self._evictable(slot)} ^ {*self._leaves, *self._unranked}:
            raise RuntimeError(f"{len(wrong)} nodes are leaves that cannot be evicted, or the other way round")

    def _slot(self, node: NodeId) -> int:
        slot = self.nodes.slots.get(node, NONE)
        if slot == NONE or not self.nodes.resident[slot]:
            raise ValueError(f"node {node!r} is not in the cache")
        return slot

    def _evictable(self, slot: int) -> bool:
        nodes = self.nodes
        staying = nodes.children[slot] - self._leaving.get(slot, 0)
        free = not nodes.locks[slot] and slot not in self._held and slot not in self._offered
        return nodes.resident[slot] and not staying and free

    def _is_leaf(self, slot: int) -> bool:
        return slot in self._leaves.groups or slot in self._unranked

    def _drop(self, slot: int) -> None:
        self._leaves.drop(slot)
        self._unranked.pop(slot, None)

    def _update(self, slot: int) -> None:
        # Keys are asked for when somebody wants victims: most leaves of a prompt have grown on by then.
        if self._evictable(slot):
            self._unranked[slot] = None
        else:
            self._drop(slot)

    def _rank(self) -> None:
        key_of, put, note, stored = self._rule.key, self._leaves.put, self._changes.note, self.nodes.stored
        for slot in self._unranked:
            key, until_s = key_of(slot, self._now_s)
            put(slot, key, stored[slot].group)
            note(slot, until_s)
        self._unranked.clear()

    def _next_leaf(self, groups: Collection[int] | None) -> int | None:
        """Take out the leaf that goes first."""
        while (first := self._leaves.first(groups)) is not None:
            key, slot = first
            now, until_s = self._rule.key(slot, self._now_s)
            if now == key:
                self._leaves.drop(slot)
                return slot
            self._leaves.put(slot, now, self.nodes.stored[slot].group)
            self._changes.note(slot, until_s)
        return None

    def _leave(self, above: int, by: int) -> None:
        if above == NONE:
            return
        self._leaving[above] = self._leaving.get(above, 0) + by
        if not self._leaving[above]:
            del self._leaving[above]

    def _withdraw_offers(self) -> None:
        offered, self._offered, self._leaving = self._offered, {}, {}
        for slot in offered:
            self._update(slot)
            if (above := self.nodes.parent[slot]) != NONE:
                self._update(above)

    def _count_locks(self, node: NodeId, by: int) -> None:
        slot, nodes = self._slot(node), self.nodes
        while slot != NONE:
            nodes.locks[slot] += by
            self._update(slot)
            slot = nodes.parent[slot]
