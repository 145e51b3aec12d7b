"""Predictions that are followed until it is known what became of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.history import Floats

FIRST_ROOM = 1024
"""Predictions that there is room for at first; a power of two."""


class Watched:
    """A ring of predictions in the order in which they were made: that in which they reach the end of a horizon, too.

    So a place in the ring for each horizon tells who has reached its end: no prediction is moved from one queue to the
    next. All is in arrays, for functions that look at many in one call. A prediction's number is its place, modulo
    their length.

    Attributes:
        logits: Of each, what was predicted.
        groups: Rows of the corrections that hold for it.
        passed: Horizons that its node is known not to have been used in.
        since_s: When it was made.
        slot: Whose it is.
        follows: Whether it is still not known what became of it.
        first: For each horizon, the first in the ring that has not reached its end.
        end: Behind the last.
    """

    def __init__(self, horizons: int) -> None:
        self.logits: Floats = np.zeros((FIRST_ROOM, horizons), np.float32)
        self.groups = np.zeros((FIRST_ROOM, 2), np.int32)
        self.passed = np.zeros(FIRST_ROOM, np.int32)
        self.since_s = np.zeros(FIRST_ROOM, np.float64)
        self.slot = np.zeros(FIRST_ROOM, np.int64)
        self.follows = np.zeros(FIRST_ROOM, np.bool_)
        self.first: NDArray[np.int64] = np.zeros(horizons, np.int64)
        self.end = 0

    def add(
        self, slots: Sequence[int], since_s: Sequence[float], logits: Floats, groups: Sequence[tuple[int, int]]
    ) -> range:
        """Follow these, none of which was made before what is there; returns their places in the ring."""
        places = range(self.end, self.end + len(slots))
        while places.stop - self.first[-1] > len(self.slot):
            self._grow()
        at = np.array(places) % len(self.slot)
        self.logits[at], self.groups[at], self.passed[at] = logits, groups, 0
        self.since_s[at], self.slot[at], self.follows[at] = since_s, slots, True
        self.end = places.stop
        return places

    def _grow(self) -> None:
        room = len(self.slot)
        kept = np.arange(self.first[-1], self.end)
        for name in ("logits", "groups", "passed", "since_s", "slot", "follows"):
            old = getattr(self, name)
            new = np.zeros((2 * room, *old.shape[1:]), old.dtype)
            new[kept % (2 * room)] = old[kept % room]
            setattr(self, name, new)
