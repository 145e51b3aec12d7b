"""What steps cost on a machine that was measured: reading and multiplying one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

from superinfer.sched.line import OUTLIER, RIDGE, eliminate
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
    prices = _least_squares(features, elapsed_us)
    for _ in range(PASSES - 1):
        # A pause of the machine is not a price.
        expected_us = (sum(p * f for p, f in zip(prices, of, strict=True)) for of in features)
        taken_us = [min(us, OUTLIER * max(other, 1.0)) for us, other in zip(elapsed_us, expected_us, strict=True)]
        prices = _least_squares(features, taken_us)
    return prices


def _least_squares(features: Sequence[Sequence[float]], taken_us: Sequence[float]) -> tuple[float, ...]:
    """Prices of 0 or more; the square of an error counts over what was taken, as for ``sched.line.Line``."""
    count = range(len(features[0]))
    scales = [max(of[f] for of in features) or 1.0 for f in count]
    rows = [[of[f] / scales[f] for f in count] for of in features]
    squares = [[sum(x[f] * x[g] / us for x, us in zip(rows, taken_us, strict=True)) for g in count] for f in count]
    products = [sum(x[f] for x in rows) for f in count]
    ridge = RIDGE * sum(squares[f][f] for f in count)
    best, best_gain = [0.0 for _ in count], 0.0
    for subset in (subset for size in count for subset in combinations(count, size + 1)):
        weights = eliminate([[squares[f][g] + ridge * (f == g) for g in subset] + [products[f]] for f in subset])
        gain = sum(w * products[f] for w, f in zip(weights, subset, strict=True))
        if min(weights) >= 0 and gain > best_gain:
            priced = dict(zip(subset, weights, strict=True))
            best, best_gain = [priced.get(f, 0.0) for f in count], gain
    return tuple(w / scale for w, scale in zip(best, scales, strict=True))
