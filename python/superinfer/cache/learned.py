"""The learned rule: cheapest first, where a price is what keeping a node is expected to save."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from math import inf

import numpy as np

from superinfer.cache.calibration import Calibration
from superinfer.cache.history import Floats, History
from superinfer.cache.nodes import NONE, NodeId, Nodes
from superinfer.cache.predictor import Predictor
from superinfer.cache.pricing import price_all
from superinfer.cache.ranking import Key
from superinfer.cache.rule import Rule
from superinfer.cache.score import Cost, chances
from superinfer.cache.stored import PLAIN
from superinfer.cache.use import Use

AHEAD = 7
"""Nodes above one that has no price yet which get theirs with it."""


class Learned(Rule[NodeId]):
    """Predicts once per use; from then on a price depends on the time since, and changes only where a horizon ends.

    Attributes:
        cost: What computing takes now, as far as its owner knows: prices are computed with what was known then.
    """

    def __init__(self, predictor: Predictor, cost: Cost | None = None, unit: float = 1.0) -> None:
        self.history = History(unit, sees_classes=predictor.sees_classes)
        self.calibration = Calibration(predictor.edges_s.tolist())
        self.predictor = predictor
        self.cost = cost or Cost()
        self._edges_s: list[float] = predictor.edges_s.tolist()
        self._prices: dict[int, array[int]] = {}
        self._watched: dict[int, Use] = {}

    @property
    def version(self) -> int:
        """Always the same: keys change one by one."""
        return 0

    def attach(self, nodes: Nodes[NodeId]) -> None:
        """Keep the nodes."""
        self.nodes = nodes

    def born(self, slot: int, use: Use) -> None:
        """Start its history with its parent's."""
        self._observe(slot, use)
        self.history.born(self.nodes, slot, use)

    def used(self, slot: int, use: Use) -> None:
        """Add the use to its history; what was predicted no longer holds."""
        self._observe(slot, use)
        self.history.used(self.nodes, slot, use)

    def amended(self, slot: int, use: Use) -> None:
        """Predict again with what is known now."""
        self._predict_watched()
        self.history.amended(slot, use)
        self._prices.pop(slot, None)

    def split(self, lower: int, upper: int) -> None:
        """Both parts have seen the same."""
        self._predict_watched()
        self.history.split(lower, upper)
        self._prices.pop(lower, None)
        self._prices.pop(upper, None)

    def forgotten(self, slot: int) -> None:
        """Nothing is known of the next node there."""
        self._predict_watched()
        self._prices.pop(slot, None)
        self.calibration.forget(slot)

    def key(self, slot: int, now_s: float) -> tuple[Key, float]:
        """By price of a byte as the node is stored, then last use, deepest first."""
        nodes, edges_s = self.nodes, self._edges_s
        last, stored = nodes.last[slot], nodes.stored[slot]
        row = self._prices.get(slot)
        if row is None:
            row = self._price(slot)
        horizon = bisect_right(edges_s, now_s - last.time_s)
        price, until_s = row[horizon], inf
        for index in range(horizon + 1, len(row)):
            if row[index] < price:
                until_s = last.time_s + edges_s[index - 1]
                break
        if stored is not PLAIN:
            price -= stored.price_steps
        return (price, last.seq, -nodes.depth[slot]), until_s

    def foresee(self, slots: Iterable[int]) -> None:
        """Keys of these nodes will be asked for: compute in one call the prices that are missing."""
        missing = [slot for slot in slots if slot not in self._prices]
        if not missing:
            return
        self._predict_watched()
        groups, last = self.calibration.groups, self.nodes.last
        found = price_all(
            np.array(missing),
            self.history.columns(),
            self.predictor.weights,
            self.calibration.state,
            np.array([groups(last[slot]) for slot in missing]),
            self.predictor.edges_s,
            np.array([self.worth(slot) for slot in missing]),
        )
        for slot, row in zip(missing, found, strict=True):
            self._prices[slot] = array("i", row.tobytes())

    def worth(self, slot: int) -> float:
        """What a hit on a node saves for each byte, for who used it last."""
        nodes = self.nodes
        tokens = nodes.tokens[slot]
        return self.cost.worth(nodes.depth[slot] - tokens, tokens, nodes.last[slot].slack_ms)

    def holds_until_s(self, slot: int, now_s: float) -> float:
        """The time up to which a node's price is what it is now, if nothing happens."""
        last_s = self.nodes.last[slot].time_s
        return last_s + self._horizon(now_s - last_s)[1]

    def chance(self, slot: int, now_s: float, within_s: float) -> tuple[float, float]:
        """Of a use within so many seconds from now on, and the time up to which that is so if nothing happens."""
        last_s = self.nodes.last[slot].time_s
        horizon, until_s = self._horizon(now_s - last_s)
        found = chances(self.corrected_logits(slot), self.predictor.edges_s, within_s)[horizon]
        return float(found), last_s + until_s

    def corrected_logits(self, slot: int) -> Floats:
        """What the predictor says of a node's next use, as far as experience has corrected it."""
        self._predict_watched()
        return self.calibration.apply(self._logits(slot), self.calibration.groups(self.nodes.last[slot]))

    def _observe(self, slot: int, use: Use) -> None:
        self._prices.pop(slot, None)
        if slot in self._watched:
            self._predict_watched()
        if self.calibration.due(use.time_s):
            self._predict_watched()
            self.calibration.advance(use.time_s)
        if self.calibration.wants(slot):
            self._watched[slot] = use

    def _predict_watched(self) -> None:
        """Predict for the nodes that the calibration watches, all those used since the last time at once."""
        if not self._watched:
            return
        watched, self._watched = self._watched, {}
        logits = self.predictor.logits(self.history, np.fromiter(watched, np.int64, len(watched)))
        groups = self.calibration.groups
        self.calibration.watch_all({slot: (use.time_s, groups(use)) for slot, use in watched.items()}, logits)

    def _logits(self, slot: int) -> Floats:
        return self.predictor.logits(self.history, np.array([slot])).reshape(-1)

    def _price(self, slot: int) -> "array[int]":
        self.foresee(self._with_those_above(slot))
        return self._prices[slot]

    def _with_those_above(self, slot: int) -> list[int]:
        """A node, and those above it that are its only company: a prefix goes from its end, so that they are next."""
        nodes, slots = self.nodes, [slot]
        while len(slots) <= AHEAD and (slot := nodes.parent[slot]) != NONE:
            if nodes.children[slot] > 1 or slot in self._prices:
                break
            slots.append(slot)
        return slots

    def _horizon(self, age_s: float) -> tuple[int, float]:
        index = bisect_right(self._edges_s, age_s)
        return index, self._edges_s[index] if index < len(self._edges_s) else inf
