"""A cache that holds nothing: which of the sampled nodes would a rule have kept?"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

from superinfer.cache.ranking import Key, Ranking

Place = Callable[[int, float], tuple[Key, float]]
"""Of a slot at a time, its key and until when that holds."""


class Shadow:
    """Sampled nodes by the order of a rule, least goes first.

    Nodes are looked at one by one and not as a tree: a sample of a tree is none.
    """

    def __init__(self, capacity_tokens: float, place: Place) -> None:
        self._capacity_tokens = capacity_tokens
        self._place = place
        self._order = Ranking()
        self._tokens: dict[int, int] = {}
        self._held = 0
        self._changes: list[tuple[float, int]] = []
        self._change_of: dict[int, float] = {}

    def holds(self, slot: int) -> bool:
        """Whether the node is held."""
        return slot in self._tokens

    def put(self, slot: int, tokens: int, now_s: float) -> None:
        """The node was used, and is held from now on."""
        self._held += tokens - self._tokens.get(slot, 0)
        self._tokens[slot] = tokens
        self._update(slot, now_s)

    def moved(self, slot: int, now_s: float) -> None:
        """The node's place may be another one."""
        if slot in self._tokens:
            self._update(slot, now_s)

    def make_room(self, now_s: float) -> None:
        """Let the least go until the rest fits."""
        while self._changes and self._changes[0][0] <= now_s:
            at_s, slot = heappop(self._changes)
            if self._change_of.get(slot) == at_s:
                del self._change_of[slot]
                if slot in self._tokens:
                    self._update(slot, now_s)
        while self._held > self._capacity_tokens and (least := self._order.pop()) is not None:
            self._held -= self._tokens.pop(least)

    def drop(self, slot: int) -> None:
        """The slot will hold another node."""
        self._held -= self._tokens.pop(slot, 0)
        self._order.drop(slot)

    def _update(self, slot: int, now_s: float) -> None:
        key, until_s = self._place(slot, now_s)
        self._order.put(slot, key)
        if until_s < inf and self._change_of.get(slot) != until_s:
            self._change_of[slot] = until_s
            heappush(self._changes, (until_s, slot))
