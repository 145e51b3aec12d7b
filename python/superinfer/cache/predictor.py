"""The chance of a node's next use within each of several horizons: a small attention network."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.compiled import compiled
from superinfer.cache.history import ITEM_FEATURES, ITEMS, STATIC_FEATURES, Floats, History
from superinfer.cache.use import TENANT_BUCKETS, Kind

WIDTH = 16
HEADS = 2
HIDDEN = 32


def shapes(horizons: int) -> dict[str, tuple[int, ...]]:
    """Of the arrays that make up a predictor, by name."""
    return {
        "static_center": (STATIC_FEATURES,),
        "static_scale": (STATIC_FEATURES,),
        "item_center": (ITEM_FEATURES,),
        "item_scale": (ITEM_FEATURES,),
        "static_in": (STATIC_FEATURES, WIDTH),
        "static_bias": (WIDTH,),
        "kind": (len(Kind), WIDTH),
        "tenant": (TENANT_BUCKETS, WIDTH),
        "item_in": (ITEM_FEATURES, WIDTH),
        "item_bias": (WIDTH,),
        "position": (ITEMS, WIDTH),
        "query": (WIDTH, WIDTH),
        "key": (WIDTH, WIDTH),
        "value": (WIDTH, WIDTH),
        "hidden_in": (2 * WIDTH, HIDDEN),
        "hidden_bias": (HIDDEN,),
        "out": (HIDDEN, horizons),
        "out_bias": (horizons,),
        "edges_s": (horizons,),
    }


@dataclass(frozen=True)
class Predictor:
    """A trained network.

    Attributes:
        arrays: Its numbers, with the names and shapes of ``shapes``, in float32. One of them:
        edges_s: The ends of the horizons, in seconds since the last use.
    """

    arrays: dict[str, Floats]
    edges_s: Floats = field(init=False)
    _weights: "Weights" = field(init=False)

    def __post_init__(self) -> None:
        horizons = self.arrays["edges_s"].size if "edges_s" in self.arrays else 0
        for name, shape in shapes(horizons).items():
            if name not in self.arrays:
                raise ValueError(f"a predictor needs the array {name!r}")
            array = self.arrays[name]
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"array {name!r} is {array.dtype} {array.shape}, not float32 {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"array {name!r} holds numbers that are not finite")
        object.__setattr__(self, "edges_s", self.arrays["edges_s"])
        object.__setattr__(self, "_weights", tuple(self.arrays[name] for name in shapes(0) if name != "edges_s"))
        if not horizons or (np.diff(self.edges_s, prepend=0.0) <= 0).any():
            raise ValueError("edges_s must rise from above 0")

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        given = ("static_center", "static_scale", "item_center", "item_scale", "edges_s")
        return sum(array.size for name, array in self.arrays.items() if name not in given)

    def logits(self, history: History, slots: NDArray[np.int64]) -> Floats:
        """For each node and horizon, the log odds that it is used in that horizon if it was not before."""
        out = np.empty((len(slots), self.edges_s.size), np.float32)
        forward(slots, history.static, history.items, history.codes, history.seen, self._weights, out)
        return out


Weights = tuple[Floats, ...]
Ints = NDArray[np.int32]


@compiled
def forward(
    slots: NDArray[np.int64], static: Floats, items: Floats, codes: Ints, seen: Ints, weights: Weights, out: Floats
) -> None:
    """Compute ``Predictor.logits``, node by node."""
    (sc, ss, ic, isc, win, wb, kind, tenant, iin, ib, position, wq, wk, wv, hin, hb, ow, ob) = weights
    rows = np.empty((ITEMS + 1, WIDTH), np.float32)
    both = np.empty(2 * WIDTH, np.float32)
    for number in range(len(slots)):
        slot = slots[number]
        first = max(ITEMS - seen[slot], 0)
        facts = wb + kind[codes[slot, 0]] + tenant[codes[slot, 1]]
        for feature in range(STATIC_FEATURES):
            facts += (static[slot, feature] - sc[feature]) / ss[feature] * win[feature]
        rows[ITEMS] = np.maximum(facts, np.float32(0))
        for item in range(first, ITEMS):
            row = ib + position[item]
            for feature in range(ITEM_FEATURES):
                row += (items[slot, item, feature] - ic[feature]) / isc[feature] * iin[feature]
            rows[item] = np.maximum(row, np.float32(0))
        both[:WIDTH] = rows[ITEMS]
        attend(rows[first:], wq, wk, wv, both[WIDTH:])
        hidden = hb.copy()
        for feature in range(2 * WIDTH):
            hidden += both[feature] * hin[feature]
        logits = ob.copy()
        for feature in range(HIDDEN):
            if hidden[feature] > 0:
                logits += hidden[feature] * ow[feature]
        out[number] = logits


@compiled
def attend(rows: Floats, wq: Floats, wk: Floats, wv: Floats, context: Floats) -> None:
    """Attention of the last row over all of them, a head after the other."""
    size = WIDTH // HEADS
    count = len(rows)
    query = multiply(rows[count - 1], wq)
    scores = np.empty((HEADS, count), np.float32)
    values = np.empty((count, WIDTH), np.float32)
    for row in range(count):
        key = multiply(rows[row], wk)
        values[row] = multiply(rows[row], wv)
        for head in range(HEADS):
            total = np.float32(0)
            for index in range(head * size, (head + 1) * size):
                total += query[index] * key[index]
            scores[head, row] = total / np.float32(np.sqrt(size))
    for head in range(HEADS):
        shares = np.exp(scores[head] - scores[head].max())
        shares /= shares.sum()
        for index in range(head * size, (head + 1) * size):
            total = np.float32(0)
            for row in range(count):
                total += shares[row] * values[row, index]
            context[index] = total


@compiled
def multiply(row: Floats, matrix: Floats) -> Floats:
    """A row times a matrix, in one order on every machine."""
    out = np.zeros(matrix.shape[1], np.float32)
    for index in range(len(row)):
        out += row[index] * matrix[index]
    return out
