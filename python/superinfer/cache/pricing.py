"""Prices of many nodes in one call: what they are likely to do, corrected, and what that is worth."""

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.calibration import State, corrected
from superinfer.cache.compiled import compiled
from superinfer.cache.history import Columns, Floats
from superinfer.cache.predictor import Weights, forward
from superinfer.cache.score import prices


@compiled
def price_all(
    slots: NDArray[np.int64],
    columns: Columns,
    weights: Weights,
    state: State,
    groups: NDArray[np.int64],
    edges_s: Floats,
    saved: NDArray[np.float64],
) -> NDArray[np.int32]:
    """A row of ``score.prices`` for each node.

    The arithmetic takes less than the way to it from Python, so that one call does what three did, for several nodes.

    Args:
        slots: Of the nodes, as all that follows.
        columns: Their histories, by slot.
        weights: Of the predictor.
        state: What the calibration has learnt.
        groups: Class and tenant, ``[nodes, 2]``: rows of ``state``.
        edges_s: The ends of the horizons.
        saved: What a use saves, for each byte held.
    """
    logits = np.empty((len(slots), len(edges_s)), np.float32)
    forward(slots, columns, weights, logits)
    out = np.empty((len(slots), len(edges_s) + 1), np.int32)
    for number in range(len(slots)):
        row = corrected(logits[number], state, groups[number, 0], groups[number, 1])
        out[number] = prices(row, edges_s, saved[number])
    return out
