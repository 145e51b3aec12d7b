"""What steps cost on a machine that was measured: reading and multiplying one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np

from superinfer.sched.columns import Floats
from superinfer.sched.line import OUTLIER
from superinfer.sched.step_time import StepLoad

PASSES = 3
"""Of the fit: what stood out from the one before counts less in the next."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """A price for each thing a step does. Where prompts are computed beside decoding, both are paid.

    ``sched.step_time.StepTime`` takes the longer of the two, as on a machine that reads while it multiplies, and learns
    as it goes. On a CPU they add up, and a step that computes prompts has other prices for the same rows.

    Attributes:
        decoding: Prices of a step that only decodes, in us: the step, a row, a token that rows read.
        computing: Of one with prompt tokens: the step, decoding at all, a row, a token that rows read, a prompt token,
            a pair.
    """

    decoding: tuple[float, ...]
    computing: tuple[float, ...]

    @classmethod
    def fitted(cls, loads: Sequence[StepLoad], elapsed_us: Sequence[int]) -> Self:
        """The prices that fit best; there must be steps of both kinds."""
        kinds: tuple[list[tuple[tuple[float, ...], int]], ...] = ([], [])
        for load, us in zip(loads, elapsed_us, strict=True):
            kinds[load.prefill_tokens > 0].append((_features(load), us))
        decoding, computing = (_prices(*zip(*kind, strict=True)) for kind in kinds)
        return cls(decoding, computing)

    def step_us(self, load: StepLoad) -> int:
        """Expected time of a step."""
        prices = self.computing if load.prefill_tokens else self.decoding
        return round(sum(price * number for price, number in zip(prices, _features(load), strict=True)))


def _features(load: StepLoad) -> tuple[float, ...]:
    if not load.prefill_tokens:
        return 1.0, load.decode_rows, load.kv_tokens
    decodes = float(load.decode_rows > 0)
    return 1.0, decodes, load.decode_rows, load.kv_tokens, load.prefill_tokens, load.prefill_pairs


def _prices(features: Sequence[Sequence[float]], elapsed_us: Sequence[int]) -> tuple[float, ...]:
    rows, taken_us = np.array(features, np.float64), np.array(elapsed_us, np.float64)
    prices = _least_squares(rows, taken_us)
    for _ in range(PASSES - 1):
        # A pause of the machine is not a price.
        prices = _least_squares(rows, np.minimum(taken_us, OUTLIER * np.maximum(rows @ prices, 1.0)))
    return tuple(prices.tolist())


def _least_squares(rows: Floats, taken_us: Floats) -> Floats:
    """Prices of 0 or more; the square of an error counts over what was taken, as for ``sched.line.Line``."""
    weights = 1 / np.sqrt(taken_us)
    best, least = np.zeros(rows.shape[1]), np.inf
    for size in range(1, rows.shape[1] + 1):
        for subset in map(list, combinations(range(rows.shape[1]), size)):
            weighted = rows[:, subset] * weights[:, None]
            found = np.linalg.lstsq(weighted, taken_us * weights, rcond=None)[0]
            error = float(((weighted @ found - taken_us * weights) ** 2).sum())
            if found.min() >= 0 and error < least:
                best, least = np.zeros(rows.shape[1]), error
                best[subset] = found
    return best
