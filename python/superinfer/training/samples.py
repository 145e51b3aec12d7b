"""What the predictor learns from: nodes as they were after a use, and when they were used next."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.evictor import Evictor
from superinfer.cache.history import Floats, History
from superinfer.cache.nodes import Nodes
from superinfer.cache.ranking import Key
from superinfer.cache.rule import KeyRule
from superinfer.cache.use import Use
from superinfer.sim.cache.replay import serve
from superinfer.sim.cache.trace import Request


@dataclass(frozen=True, slots=True)
class Samples:
    """A row for each use of a node.

    Attributes:
        static, items, codes, seen: As in ``History``, after that use.
        request: Number of the request.
        tokens: Length of the node.
        gap_s: Time to its next use; infinite if the log has none.
        watched_s: Time from the use to the end of the log.
    """

    static: Floats
    items: Floats
    codes: NDArray[np.int32]
    seen: NDArray[np.int32]
    request: NDArray[np.int64]
    tokens: NDArray[np.int64]
    gap_s: NDArray[np.float64]
    watched_s: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_], end_s: float | None = None) -> "Samples":
        """Some rows; with ``end_s``, as if the log had ended so long before its end."""
        watched_s = self.watched_s[chosen] - (end_s or 0.0)
        gap_s = np.where(self.gap_s[chosen] <= watched_s, self.gap_s[chosen], inf)
        facts = {
            name: getattr(self, name)[chosen] for name in ("static", "items", "codes", "seen", "request", "tokens")
        }
        return Samples(**facts, gap_s=gap_s, watched_s=watched_s)


def samples(load: Sequence[Request]) -> Samples:
    """All uses of all nodes of a load, as a cache that loses nothing would see them.

    Raises:
        ValueError: The load is empty.
    """
    if not load:
        raise ValueError("there are no requests to learn from")
    recorder = _Recorder()
    cache: Evictor[int] = Evictor(recorder)
    for request in load:
        serve(cache, request)
    return recorder.samples(load[-1].use.time_s)


class _Recorder(KeyRule[int]):
    def __init__(self) -> None:
        self._history = History()
        self._rows: list[tuple[Floats, Floats, NDArray[np.int32], int, int, int]] = []
        self._at_s: list[float] = []
        self._gaps_s: list[float] = []
        self._latest: dict[int, int] = {}

    def attach(self, nodes: Nodes[int]) -> None:
        self.nodes = nodes

    def born(self, slot: int, use: Use) -> None:
        self._history.born(self.nodes, slot, use)
        self._record(slot, use)

    def used(self, slot: int, use: Use) -> None:
        self._history.used(self.nodes, slot, use)
        before = self._latest[slot]
        self._gaps_s[before] = use.time_s - self._at_s[before]
        self._record(slot, use)

    def place(self, slot: int) -> Key:
        return (0,)

    def samples(self, end_s: float) -> Samples:
        static, items, codes, seen, request, tokens = zip(*self._rows, strict=True)
        return Samples(
            np.array(static),
            np.array(items),
            np.array(codes),
            np.array(seen, np.int32),
            np.array(request),
            np.array(tokens),
            np.array(self._gaps_s),
            end_s - np.array(self._at_s),
        )

    def _record(self, slot: int, use: Use) -> None:
        history = self._history
        self._latest[slot] = len(self._rows)
        codes, tokens = history.codes[slot].copy(), self.nodes.tokens[slot]
        row = (history.static[slot].copy(), history.items[slot].copy(), codes, int(history.seen[slot]), use.seq, tokens)
        self._rows.append(row)
        self._at_s.append(use.time_s)
        self._gaps_s.append(inf)
