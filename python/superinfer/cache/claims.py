"""What a server knows of a prefix's future beyond what can be predicted: who waits for it, or will not come back."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import inf

from superinfer.cache.nodes import NodeId, Nodes
from superinfer.cache.ranking import Key
from superinfer.cache.rule import Rule
from superinfer.cache.use import Use


class Level(IntEnum):
    """How sure it is that a prefix is used again; of two nodes, the one of the lower level goes first."""

    ENDED = -1
    """Its session has ended. The next use ends that."""
    NONE = 0
    """Nobody has said anything: the rule decides."""
    EXPECTED = 1
    """A client has said that it will come back. It has with the next use."""
    QUEUED = 2
    """A request waits that begins with it."""
    PARKED = 3
    """A request waits that has begun to answer."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's word on some nodes, up to a time."""

    level: Level
    until_s: float = inf


class Claims(Rule[NodeId]):
    """Another rule's order within each level of claims.

    A claim is soft: what is claimed goes last, and still goes before a request finds no room.
    """

    def __init__(self, rule: Rule[NodeId]) -> None:
        self.rule = rule
        self._claims: dict[int, dict[Hashable, Claim]] = {}
        self._slots: dict[Hashable, set[int]] = {}

    def claim(self, owner: Hashable, slots: Iterable[int], claim: Claim) -> set[int]:
        """``owner`` claims these nodes, instead of what it has claimed before; returns those that may have moved."""
        changed = self.release(owner)
        mine = self._slots[owner] = set(slots)
        for slot in mine:
            self._claims.setdefault(slot, {})[owner] = claim
        return changed | mine

    def release(self, owner: Hashable) -> set[int]:
        """``owner`` claims nothing any more; returns the nodes that may have moved."""
        slots = self._slots.pop(owner, set())
        for slot in slots:
            self._drop(slot, owner)
        return slots

    def claimed(self, owner: Hashable) -> bool:
        """Whether ``owner`` claims anything."""
        return owner in self._slots

    def level(self, slot: int, now_s: float) -> tuple[int, float]:
        """The highest claim on a node, and the time up to which that is so if nothing happens."""
        valid = [claim for claim in self._claims.get(slot, {}).values() if claim.until_s > now_s]
        highest = max((claim.level for claim in valid), default=Level.NONE)
        return int(highest), min((claim.until_s for claim in valid), default=inf)

    @property
    def version(self) -> int:
        """Of the other rule."""
        return self.rule.version

    def attach(self, nodes: Nodes[NodeId]) -> None:
        """Tell the other rule."""
        self.rule.attach(nodes)

    def born(self, slot: int, use: Use) -> None:
        """Tell the other rule."""
        self.rule.born(slot, use)

    def used(self, slot: int, use: Use) -> None:
        """Who was expected is there, and a session that was said to have ended goes on; old claims are cleared away."""
        for owner, claim in list(self._claims.get(slot, {}).items()):
            if claim.level in (Level.ENDED, Level.EXPECTED) or claim.until_s <= use.time_s:
                self._drop(slot, owner)
                self._leave(owner, slot)
        self.rule.used(slot, use)

    def amended(self, slot: int, use: Use) -> None:
        """Tell the other rule."""
        self.rule.amended(slot, use)

    def split(self, lower: int, upper: int) -> None:
        """Both parts are claimed by the same."""
        self._forget(upper)
        for owner, claim in self._claims.get(lower, {}).items():
            self._claims.setdefault(upper, {})[owner] = claim
            self._slots[owner].add(upper)
        self.rule.split(lower, upper)

    def forgotten(self, slot: int) -> None:
        """The slot will hold another node."""
        self._forget(slot)
        self.rule.forgotten(slot)

    def key(self, slot: int, now_s: float) -> tuple[Key, float]:
        """By level, then as the other rule says."""
        key, until_s = self.rule.key(slot, now_s)
        level, claimed_until_s = self.level(slot, now_s)
        return (level, *key), min(until_s, claimed_until_s)

    def _forget(self, slot: int) -> None:
        for owner in self._claims.pop(slot, {}):
            self._leave(owner, slot)

    def _leave(self, owner: Hashable, slot: int) -> None:
        slots = self._slots[owner]
        slots.discard(slot)
        if not slots:
            del self._slots[owner]

    def _drop(self, slot: int, owner: Hashable) -> None:
        claims = self._claims[slot]
        del claims[owner]
        if not claims:
            del self._claims[slot]
