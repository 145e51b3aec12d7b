"""Corrects a predictor while it is in use, by what became of a sample of its predictions."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.compiled import compiled
from superinfer.cache.history import Floats
from superinfer.cache.use import TENANT_BUCKETS, Use
from superinfer.cache.watched import Watched

SAMPLE = 4
"""One node in so many is watched."""

RATE = 0.002
"""Step of the correction for all nodes, in log odds per node watched."""

LIMIT = 3.0
"""Largest correction for all nodes, in log odds."""

CLASSES = 8
"""SLO classes are told apart up to this rank."""

DOUBT = 20.0
"""What a group of nodes has to show before its own correction is half of what was seen: information, of which a horizon
that a node was watched in has a quarter at the most. A document of some hundred tokens is one piece of news, and many
nodes."""

MEMORY = 4000.0
"""Horizons watched after which what a group has shown counts for 1/e."""

GROUP_LIMIT = 9.0
"""Largest correction for a group, in log odds."""

STEEPEST = 1.5
"""Largest factor for what the predictor says of a node beyond its mean."""

FIRM = 30.0
"""Log odds that are as good as certain."""

PAUSE_S = 0.5
"""Between two looks at what has reached the end of a horizon."""

ALL = 0
"""Row of what holds for all nodes; those of classes and tenants follow."""

Groups = tuple[int, int]
"""Rows of the class and the tenant of a node; ``ALL`` as long as there is only one."""


class State(NamedTuple):
    """What has been learnt, a row for each group of nodes and a column for each horizon.

    Attributes:
        shift: To be added to log odds.
        slope: Factor for what the predictor says of a node beyond the mean of its class.
        mean: That mean.
        taken: Nodes that it was taken of.
        seen: Information seen, of each horizon; behind them, of all, and of the slope.
    """

    shift: Floats
    slope: Floats
    mean: Floats
    taken: Floats
    seen: Floats


class Calibration:
    """A correction of the log odds for each horizon: one for all nodes, and one for each SLO class and each tenant.

    That for all moves slowly, by stochastic gradient of the likelihood: a predictor knows more than a minute of traffic
    does. It has not seen the classes and tenants of this server, however. How these differ is learnt by Newton's steps,
    as far as there is evidence: fast at first, and slower the more is known. A part of it holds for all horizons, so
    that what does not come back soon is not believed to come back late. And where what the predictor says of single
    nodes of a class does not come true, it counts for less.
    """

    def __init__(self, edges_s: list[float]) -> None:
        rows, horizons = 1 + CLASSES + TENANT_BUCKETS, len(edges_s)
        sizes = (horizons, 1, horizons, horizons, horizons + 2)
        self.state = State(*(np.zeros((rows, size), np.float32) for size in sizes))
        self.state.slope.fill(1.0)
        self._known: tuple[set[int], set[int]] = (set(), set())
        self._next_s = 0.0
        self._edges_s = np.array(edges_s)
        self._watched = Watched(horizons)
        self._current: dict[int, int] = {}

    def wants(self, slot: int) -> bool:
        """Whether the node is one of those that are watched."""
        return slot % SAMPLE == 0

    def groups(self, use: Use) -> Groups:
        """Whose corrections hold for what this request has used. Where all are alike, that for all does."""
        classes, tenants = self._known
        rank, tenant = min(use.slo_class, CLASSES - 1), use.tenant % TENANT_BUCKETS
        classes.add(rank)
        tenants.add(tenant)
        return 1 + rank if len(classes) > 1 else ALL, 1 + CLASSES + tenant if len(tenants) > 1 else ALL

    def apply(self, logits: Floats, groups: Groups) -> Floats:
        """The corrected log odds, kept to what exponentials can bear."""
        return corrected(logits, self.state, *groups)

    def watch(self, slot: int, now_s: float, logits: Floats, groups: Groups) -> None:
        """The node was used, and this was predicted for what comes next."""
        self.watch_all({slot: (now_s, groups)}, logits.reshape(1, -1))

    def watch_all(self, uses: Mapping[int, tuple[float, Groups]], logits: Floats) -> None:
        """The same for several nodes: when each was used, and its row of predictions."""
        watched, slots = self._watched, list(uses)
        if before := [slot for slot in slots if slot in self._current]:
            at = np.array([self._current[slot] for slot in before]) % len(watched.slot)
            ages_s = np.array([uses[slot][0] for slot in before]) - watched.since_s[at]
            reached = np.searchsorted(self._edges_s, ages_s, side="right")
            learn_all(self.state, at, reached, True, watched.logits, watched.groups, watched.passed)
            watched.follows[at] = False
        times_s, groups = zip(*uses.values(), strict=True)
        self._current.update(zip(slots, watched.add(slots, times_s, logits, groups), strict=True))

    def due(self, now_s: float) -> bool:
        """Whether ``advance`` would look at what has reached the end of a horizon."""
        return now_s >= self._next_s

    def advance(self, now_s: float) -> None:
        """Learn from nodes that were not used up to the end of a horizon."""
        if not self.due(now_s):
            return
        self._next_s = now_s + PAUSE_S
        watched, current = self._watched, self._current
        arrays = (watched.logits, watched.groups, watched.passed, watched.since_s, watched.follows)
        ended = advance_all(self.state, now_s, self._edges_s, watched.first, watched.end, *arrays)
        for slot in watched.slot[ended].tolist():
            del current[slot]

    def forget(self, slot: int) -> None:
        """The node's history is gone: what becomes of it will not be known."""
        place = self._current.pop(slot, None)
        if place is not None:
            self._watched.follows[place % len(self._watched.slot)] = False


@compiled
def corrected(logits: Floats, state: State, rank: int, tenant: int) -> Floats:
    """The log odds of a node of this class and tenant, kept to what exponentials can bear."""
    out = np.empty_like(logits)
    for index in range(len(logits)):
        out[index] = corrected_at(index, logits[index], state, rank, tenant)
    return out


@compiled
def corrected_at(index: int, logit: float, state: State, rank: int, tenant: int) -> float:
    """The same for one horizon."""
    shift, mean = state.shift, state.mean
    moved = logit + shift[ALL, index]
    if rank != ALL:
        moved += (state.slope[rank, 0] - np.float32(1)) * (logit - mean[rank, index]) + shift[rank, index]
    if tenant != ALL:
        moved += shift[tenant, index]
    bounded: float = min(max(moved, np.float32(-FIRM)), np.float32(FIRM))
    return bounded


@compiled
def learn_all(
    state: State,
    numbers: NDArray[np.int64],
    horizons: NDArray[np.int64],
    used: bool,
    logits: Floats,
    groups: NDArray[np.int32],
    passed: NDArray[np.int32],
) -> None:
    """``learn`` from these predictions, one after the other."""
    for index in range(len(numbers)):
        number, reached = numbers[index], horizons[index]
        learn(state, logits[number], passed[number], reached, used, groups[number, 0], groups[number, 1])
        passed[number] = max(passed[number], reached)


@compiled
def advance_all(
    state: State,
    now_s: float,
    edges_s: NDArray[np.float64],
    first: NDArray[np.int64],
    end: int,
    logits: Floats,
    groups: NDArray[np.int32],
    passed: NDArray[np.int32],
    since_s: NDArray[np.float64],
    follows: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """``learn`` from what has reached the end of a horizon by now; returns what has reached that of the last one.

    Arrays are those of ``Watched``.
    """
    room, last = len(since_s), len(edges_s) - 1
    ended = np.empty(end - first[last], np.int64)
    count = 0
    for index in range(last + 1):
        while first[index] < end and since_s[first[index] % room] + edges_s[index] <= now_s:
            number = first[index] % room
            first[index] += 1
            if not follows[number]:
                continue
            learn(state, logits[number], passed[number], index + 1, False, groups[number, 0], groups[number, 1])
            passed[number] = max(passed[number], index + 1)
            if index == last:
                follows[number] = False
                ended[count] = number
                count += 1
    return ended[:count]


@compiled
def learn(state: State, logits: Floats, first: int, horizons: int, used: bool, rank: int, tenant: int) -> None:
    """A node was not used in the horizons from ``first`` on, and in the one after ``horizons`` it was if ``used``."""
    shift, slope, mean, taken, seen = state
    fade = np.float32(1.0 - 1.0 / MEMORY)
    for index in range(first, min(horizons + used, len(logits))):
        chance = 1.0 / (1.0 + np.exp(-corrected_at(index, logits[index], state, rank, tenant)))
        error, information = (1.0 if index == horizons else 0.0) - chance, chance * (1.0 - chance)
        shift[ALL, index] = min(max(shift[ALL, index] + RATE * error, -LIMIT), LIMIT)
        if tenant != ALL:
            learn_shift(shift[tenant], seen[tenant], index, error, information)
        if rank == ALL:
            continue
        learn_shift(shift[rank], seen[rank], index, error, information)
        beyond = logits[index] - mean[rank, index]
        taken[rank, index] = taken[rank, index] * fade + 1
        mean[rank, index] += beyond / taken[rank, index]
        seen[rank, -1] = seen[rank, -1] * fade + information * beyond * beyond
        slope[rank, 0] = min(max(slope[rank, 0] + error * beyond / (DOUBT + seen[rank, -1]), 0.0), STEEPEST)


@compiled
def learn_shift(shift: Floats, seen: Floats, index: int, error: float, information: float) -> None:
    """A step of a group's correction, for one horizon and for all of them."""
    fade = np.float32(1.0 - 1.0 / MEMORY)
    seen[index] = seen[index] * fade + information
    seen[-2] = seen[-2] * fade + information
    common = error / (DOUBT + seen[-2])
    for other in range(len(shift)):
        by = common + (error / (DOUBT + seen[index]) if other == index else 0.0)
        shift[other] = min(max(shift[other] + by, -GROUP_LIMIT), GROUP_LIMIT)
