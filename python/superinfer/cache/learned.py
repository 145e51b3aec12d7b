"""The learned rule: cheapest first, where a price is what keeping a node is expected to save."""

from array import array
from bisect import bisect_right
from math import inf

import numpy as np

from superinfer.cache.calibration import Calibration
from superinfer.cache.history import Floats, History
from superinfer.cache.nodes import NodeId, Nodes
from superinfer.cache.predictor import Predictor
from superinfer.cache.ranking import Key
from superinfer.cache.rule import Rule
from superinfer.cache.score import Cost, chances, prices
from superinfer.cache.use import Use


class Learned(Rule[NodeId]):
    """Predicts once per use; from then on a price depends on the time since, and changes only where a horizon ends."""

    def __init__(self, predictor: Predictor, cost: Cost | None = None, unit: float = 1.0) -> None:
        self.history = History(unit, sees_classes=predictor.sees_classes)
        self.calibration = Calibration(predictor.edges_s.tolist())
        self.predictor = predictor
        self.cost = cost or Cost()
        self._edges_s: list[float] = predictor.edges_s.tolist()
        self._prices: dict[int, array[int]] = {}

    @property
    def version(self) -> int:
        """Always the same: keys change one by one."""
        return 0

    def attach(self, nodes: Nodes[NodeId]) -> None:
        """Keep the nodes."""
        self.nodes = nodes

    def born(self, slot: int, use: Use) -> None:
        """Start its history with its parent's."""
        self.history.born(self.nodes, slot, use)
        self._observe(slot, use)

    def used(self, slot: int, use: Use) -> None:
        """Add the use to its history; what was predicted no longer holds."""
        self.history.used(self.nodes, slot, use)
        self._observe(slot, use)

    def amended(self, slot: int, use: Use) -> None:
        """Predict again with what is known now."""
        self.history.amended(slot, use)
        self._prices.pop(slot, None)

    def split(self, lower: int, upper: int) -> None:
        """Both parts have seen the same."""
        self.history.split(lower, upper)
        self._prices.pop(lower, None)
        self._prices.pop(upper, None)

    def forgotten(self, slot: int) -> None:
        """Nothing is known of the next node there."""
        self._prices.pop(slot, None)
        self.calibration.forget(slot)

    def key(self, slot: int, now_s: float) -> tuple[Key, float]:
        """By price of a byte as the node is stored, then last use, deepest first."""
        last = self.nodes.last[slot]
        horizon, until_s = self._horizon(now_s - last.time_s)
        price = self._row(slot)[horizon] - self.nodes.stored[slot].price_steps
        return (price, last.seq, -self.nodes.depth[slot]), last.time_s + until_s

    def chance(self, slot: int, now_s: float, within_s: float) -> tuple[float, float]:
        """Of a use within so many seconds from now on, and the time up to which that is so if nothing happens."""
        last_s = self.nodes.last[slot].time_s
        horizon, until_s = self._horizon(now_s - last_s)
        found = chances(self.corrected_logits(slot), self.predictor.edges_s, within_s)[horizon]
        return float(found), last_s + until_s

    def corrected_logits(self, slot: int) -> Floats:
        """What the predictor says of a node's next use, as far as experience has corrected it."""
        return self.calibration.apply(self._logits(slot), self.calibration.groups(self.nodes.last[slot]))

    def _observe(self, slot: int, use: Use) -> None:
        self._prices.pop(slot, None)
        self.calibration.advance(use.time_s)
        if self.calibration.wants(slot):
            self.calibration.watch(slot, use.time_s, self._logits(slot), self.calibration.groups(use))

    def _logits(self, slot: int) -> Floats:
        return self.predictor.logits(self.history, np.array([slot])).reshape(-1)

    def _row(self, slot: int) -> "array[int]":
        row = self._prices.get(slot)
        if row is None:
            tokens = self.nodes.tokens[slot]
            saved_ms = self.cost.per_byte(self.nodes.depth[slot] - tokens, tokens)
            logits = self.corrected_logits(slot)
            row = self._prices[slot] = array("i", prices(logits, self.predictor.edges_s, saved_ms).tolist())
        return row

    def _horizon(self, age_s: float) -> tuple[int, float]:
        index = bisect_right(self._edges_s, age_s)
        return index, self._edges_s[index] if index < len(self._edges_s) else inf
