"""The chance of a node's next use within each of several horizons: a few small attention networks, averaged."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.compiled import compiled
from superinfer.cache.history import ITEM_FEATURES, ITEMS, STATIC_FEATURES, Columns, Floats, History
from superinfer.cache.use import TENANT_BUCKETS, Kind

WIDTH = 16
HEADS = 2
HIDDEN = 32

CLASS_FEATURE = ITEM_FEATURES - 1
"""Where a use's SLO class is among its features."""

CONSTANT = 0.1001
"""Scale of a feature that was the same everywhere: training divides by a tenth then, and the weights mean nothing."""


def shapes(horizons: int) -> dict[str, tuple[int, ...]]:
    """Of the arrays that make up one network, by name."""
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
    }


@dataclass(frozen=True)
class Predictor:
    """A few networks that were trained alike and from different beginnings: their mean errs less than each.

    Attributes:
        arrays: Their numbers in float32, with the names of ``shapes``, stacked along a first axis; and ``edges_s``.
        edges_s: The ends of the horizons, in seconds since the last use.
        weights: The arrays in the order in which compiled functions take them.
    """

    arrays: dict[str, Floats]
    edges_s: Floats = field(init=False)
    weights: "Weights" = field(init=False)

    def __post_init__(self) -> None:
        for name in ("edges_s", *shapes(0)):
            if name not in self.arrays:
                raise ValueError(f"a predictor needs the array {name!r}")
        edges_s, count = self.arrays["edges_s"], len(self.arrays["out_bias"])
        expected = {name: (count, *shape) for name, shape in shapes(edges_s.size).items()}
        for name, shape in {"edges_s": (edges_s.size,), **expected}.items():
            array = self.arrays[name]
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"array {name!r} is {array.dtype} {array.shape}, not float32 {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"array {name!r} holds numbers that are not finite")
        if not count or not edges_s.size or (np.diff(edges_s, prepend=0.0) <= 0).any():
            raise ValueError("a predictor needs a network, and edges_s that rise from above 0")
        object.__setattr__(self, "edges_s", edges_s)
        object.__setattr__(self, "weights", tuple(self.arrays[name] for name in shapes(0)))

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        given = ("static_center", "static_scale", "item_center", "item_scale", "edges_s")
        return sum(array.size for name, array in self.arrays.items() if name not in given)

    @property
    def sees_classes(self) -> bool:
        """Whether it has learnt what SLO classes mean: only if the uses it learnt from were of several."""
        return bool((self.arrays["item_scale"][:, CLASS_FEATURE] > CONSTANT).all())

    def logits(self, history: History, slots: NDArray[np.int64]) -> Floats:
        """For each node and horizon, the log odds that it is used in that horizon if it was not before."""
        out = np.empty((len(slots), self.edges_s.size), np.float32)
        forward(slots, history.columns(), self.weights, out)
        return out


Weights = tuple[Floats, ...]


@compiled
def forward(slots: NDArray[np.int64], columns: Columns, weights: Weights, out: Floats) -> None:
    """Compute ``Predictor.logits``, node by node: the mean over the networks."""
    static, items, codes, seen = columns
    (sc, ss, ic, isc, win, wb, kind, tenant, iin, ib, position, wq, wk, wv, hin, hb, ow, ob) = weights
    rows = np.empty((ITEMS + 1, WIDTH), np.float32)
    scratch = np.empty((2, ITEMS + 1, WIDTH), np.float32)
    both = np.empty(2 * WIDTH, np.float32)
    hidden = np.empty(HIDDEN, np.float32)
    logits = np.empty(out.shape[1], np.float32)
    for number in range(len(slots)):
        slot = slots[number]
        first = max(ITEMS - seen[slot], 0)
        out[number] = 0
        for net in range(len(wb)):
            for index in range(WIDTH):
                rows[ITEMS, index] = wb[net, index] + kind[net, codes[slot, 0], index]
                rows[ITEMS, index] += tenant[net, codes[slot, 1], index]
            layer(static[slot], sc[net], ss[net], win[net], rows[ITEMS])
            for item in range(first, ITEMS):
                for index in range(WIDTH):
                    rows[item, index] = ib[net, index] + position[net, item, index]
                layer(items[slot, item], ic[net], isc[net], iin[net], rows[item])
            both[:WIDTH] = rows[ITEMS]
            attend(rows[first:], wq[net], wk[net], wv[net], scratch, both[WIDTH:])
            hidden[:], logits[:] = hb[net], ob[net]
            multiply(both, hin[net], hidden)
            for index in range(HIDDEN):
                hidden[index] = max(hidden[index], np.float32(0))
            multiply(hidden, ow[net], logits)
            for index in range(len(logits)):
                out[number, index] += logits[index] / np.float32(len(wb))


@compiled
def layer(features: Floats, center: Floats, scale: Floats, matrix: Floats, out: Floats) -> None:
    """Add the standardised features times a matrix to ``out``, and cut it off at zero."""
    for feature in range(len(features)):
        value = (features[feature] - center[feature]) / scale[feature]
        for index in range(len(out)):
            out[index] += value * matrix[feature, index]
    for index in range(len(out)):
        out[index] = max(out[index], np.float32(0))


@compiled
def attend(rows: Floats, wq: Floats, wk: Floats, wv: Floats, scratch: Floats, context: Floats) -> None:
    """Attention of the last row over all of them, a head after the other."""
    size = WIDTH // HEADS
    count = len(rows)
    keys, values = scratch[0], scratch[1]
    query = np.zeros(WIDTH, np.float32)
    shares = np.empty(count, np.float32)
    multiply(rows[count - 1], wq, query)
    scratch[:] = 0
    for row in range(count):
        multiply(rows[row], wk, keys[row])
        multiply(rows[row], wv, values[row])
    for head in range(HEADS):
        heaviest = np.float32(-np.inf)
        for row in range(count):
            score = np.float32(0)
            for index in range(head * size, (head + 1) * size):
                score += query[index] * keys[row, index]
            shares[row] = score / np.float32(np.sqrt(size))
            heaviest = max(heaviest, shares[row])
        total = np.float32(0)
        for row in range(count):
            shares[row] = np.exp(shares[row] - heaviest)
            total += shares[row]
        for index in range(head * size, (head + 1) * size):
            context[index] = 0
            for row in range(count):
                context[index] += shares[row] / total * values[row, index]


@compiled
def multiply(row: Floats, matrix: Floats, out: Floats) -> None:
    """Add a row times a matrix to ``out``, in one order on every machine."""
    for feature in range(len(row)):
        for index in range(len(out)):
            out[index] += row[feature] * matrix[feature, index]
