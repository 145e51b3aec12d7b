"""Corrects a predictor while it is in use, by what became of a sample of its predictions."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import numpy as np

from superinfer.cache.compiled import compiled
from superinfer.cache.history import Floats

SAMPLE = 4
"""One node in so many is watched."""

RATE = 0.002
"""Step of the correction, in log odds per node watched."""

FIRM = 30.0
"""Log odds that are as good as certain."""

PAUSE_S = 0.5
"""Between two looks at what has reached the end of a horizon."""

LIMIT = 3.0
"""Largest correction, in log odds."""


@dataclass(slots=True)
class _Watched:
    slot: int
    since_s: float
    chances: list[float]
    passed: int = 0
    """Horizons that it is known not to have been used in."""


class Calibration:
    """A correction of the log odds for each horizon, by stochastic gradient of the likelihood.

    Each horizon has a queue of the watched nodes that have not been used in the earlier ones. As a horizon is equally
    long for all, queues are in order of time, and whoever reaches its end is at the front.
    """

    def __init__(self, edges_s: list[float]) -> None:
        self.shift = np.zeros(len(edges_s), np.float32)
        self._shift = [0.0] * len(edges_s)  # the same, where reading one is cheap
        self._next_s = 0.0
        self._edges_s = edges_s
        self._queues: list[deque[_Watched]] = [deque() for _ in edges_s]
        self._current: dict[int, _Watched] = {}

    def wants(self, slot: int) -> bool:
        """Whether the node is one of those that are watched."""
        return slot % SAMPLE == 0

    def apply(self, logits: Floats) -> Floats:
        """The corrected log odds, kept to what exponentials can bear."""
        return corrected(logits, self.shift)

    def watch(self, slot: int, now_s: float, logits: Floats) -> None:
        """The node was used, and this was predicted for what comes next."""
        if (before := self._current.get(slot)) is not None:
            self._learn(before, now_s - before.since_s)
        chances = hazards(self.apply(logits)).tolist()
        watched = self._current[slot] = _Watched(slot, now_s, chances)
        self._queues[0].append(watched)

    def advance(self, now_s: float) -> None:
        """Learn from nodes that were not used up to the end of a horizon."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + PAUSE_S
        for index, edge_s in enumerate(self._edges_s):
            queue = self._queues[index]
            while queue and queue[0].since_s + edge_s <= now_s:
                watched = queue.popleft()
                if self._current.get(watched.slot) is not watched:
                    continue
                self._pass(watched, index + 1)
                if index + 1 < len(self._edges_s):
                    self._queues[index + 1].append(watched)
                else:
                    del self._current[watched.slot]

    def forget(self, slot: int) -> None:
        """The node's history is gone: what becomes of it will not be known."""
        self._current.pop(slot, None)

    def _learn(self, watched: _Watched, gap_s: float) -> None:
        horizon = bisect_right(self._edges_s, gap_s)
        self._pass(watched, horizon)
        if horizon < len(self._edges_s):
            self._move(horizon, RATE * (1.0 - watched.chances[horizon]))

    def _pass(self, watched: _Watched, horizons: int) -> None:
        for index in range(watched.passed, horizons):
            self._move(index, -RATE * watched.chances[index])
        watched.passed = max(watched.passed, horizons)

    def _move(self, index: int, by: float) -> None:
        moved = self._shift[index] + by
        moved = -LIMIT if moved < -LIMIT else LIMIT if moved > LIMIT else moved
        self._shift[index] = self.shift[index] = moved


@compiled
def corrected(logits: Floats, shift: Floats) -> Floats:
    """Their sum, kept to what exponentials can bear."""
    out = np.empty_like(logits)
    for index in range(len(logits)):
        out[index] = min(max(logits[index] + shift[index], np.float32(-FIRM)), np.float32(FIRM))
    return out


@compiled
def hazards(logits: Floats) -> Floats:
    """Chances from log odds."""
    return np.float32(1) / (np.float32(1) + np.exp(-logits))
