"""A table as predictor: the naive learned rule that ours has to beat."""

from collections import Counter
from collections.abc import Sequence
from math import inf, log2

from superinfer.cache.evictor import Evictor
from superinfer.cache.nodes import Nodes
from superinfer.cache.ranking import Key
from superinfer.cache.rule import KeyRule
from superinfer.cache.use import Use
from superinfer.sim.cache.replay import serve
from superinfer.sim.cache.trace import Request

HORIZON_S = 600.0
"""A node is worth the chance that it is used within this time."""

AGES_S = tuple(2.0**power for power in range(12))
"""Ends of the classes of age."""

Cell = tuple[int, int, int, int]


class Table(KeyRule[int]):
    """Least chance of reuse first: by age, uses, whether the last request continued a prompt, and depth."""

    def __init__(self, load: Sequence[Request]) -> None:
        """Learn from a load, as a cache that loses nothing would see it."""
        self._chances = _chances(load)
        self._uses: dict[int, int] = {}

    def born(self, slot: int, use: Use) -> None:
        """Count the use; also those before a removal count, as long as they are remembered."""
        self._uses[slot] = 1

    def used(self, slot: int, use: Use) -> None:
        """Count the use."""
        self._uses[slot] += 1

    def key(self, slot: int, now_s: float) -> tuple[Key, float]:
        """By chance, then last use."""
        last = self.nodes.last[slot]
        age = next((index for index, edge_s in enumerate(AGES_S) if now_s - last.time_s < edge_s), len(AGES_S))
        until_s = last.time_s + AGES_S[age] if age < len(AGES_S) else inf
        chance = self._chances.get((age, *_cell(self.nodes, slot, self._uses[slot])), 0.0)
        return (chance, last.seq, -self.nodes.depth[slot]), until_s


def _cell(nodes: Nodes[int], slot: int, uses: int) -> tuple[int, int, int]:
    last = nodes.last[slot]
    found = last.prompt_tokens - last.new_tokens
    # Every prompt of a service begins alike: what is found in the first block is no conversation.
    continued = (found > 512) + (found > 0.5 * last.prompt_tokens)
    return min(uses, 4), continued, int(log2(nodes.depth[slot]))


class _Watcher(KeyRule[int]):
    def __init__(self) -> None:
        self.open: dict[int, tuple[float, tuple[int, int, int]]] = {}
        self.closed: list[tuple[float, float, tuple[int, int, int]]] = []

    def born(self, slot: int, use: Use) -> None:
        self.open[slot] = (use.time_s, _cell(self.nodes, slot, self.nodes.uses[slot]))

    def used(self, slot: int, use: Use) -> None:
        since_s, cell = self.open[slot]
        self.closed.append((since_s, use.time_s - since_s, cell))
        self.born(slot, use)

    def place(self, slot: int) -> Key:
        return (0,)


def _chances(load: Sequence[Request]) -> dict[Cell, float]:
    watcher = _Watcher()
    cache: Evictor[int] = Evictor(watcher)
    for request in load:
        serve(cache, request)
    end_s = load[-1].use.time_s if load else 0.0
    gaps = [*watcher.closed, *((since_s, inf, cell) for since_s, cell in watcher.open.values())]
    seen: Counter[Cell] = Counter()
    used: Counter[Cell] = Counter()
    for since_s, gap_s, cell in gaps:
        for age, start_s in enumerate((0.0, *AGES_S)):
            if gap_s < start_s or end_s - since_s < start_s + HORIZON_S:
                break
            seen[age, *cell] += 1
            used[age, *cell] += gap_s <= start_s + HORIZON_S
    return {cell: used[cell] / count for cell, count in seen.items()}
