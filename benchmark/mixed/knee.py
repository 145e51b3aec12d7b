"""Where a system's knee is: the load at which it keeps about 78 % of its promises."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

KNEE_ATTAINMENT = 0.78
_STEP = 1.6
_HALVINGS = 3
_MOST_TRIALS = 10


class KneeError(Exception):
    """No load was found that is enough, or too much."""


@dataclass(frozen=True, slots=True)
class Knee:
    """A knee.

    Attributes:
        factor: How many times the load that the search began with.
        trials: Factor -> attainment, of all loads that were tried.
    """

    factor: float
    trials: Mapping[float, float] = field(default_factory=dict)


async def find_knee(attained: Callable[[float], Awaitable[float]]) -> Knee:
    """Step up or down until the knee is passed, halve the way back three times, and draw a line through what is left.

    Args:
        attained: Serves so many times the load, and returns the share of promises kept.

    Raises:
        KneeError: After ten trials in one direction the knee had not come.
    """
    trials: dict[float, float] = {}

    async def enough(factor: float) -> bool:
        trials[factor] = await attained(factor)
        return trials[factor] >= KNEE_ATTAINMENT

    low = high = 1.0
    if await enough(1.0):
        while await enough(high := low * _STEP):
            low = _still(high, trials)
    else:
        while not await enough(low := high / _STEP):
            high = _still(low, trials)
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if await enough(middle) else (low, middle)
    part = (trials[low] - KNEE_ATTAINMENT) / (trials[low] - trials[high])
    return Knee(low * (high / low) ** part, trials)


def _still(factor: float, trials: Mapping[float, float]) -> float:
    if len(trials) >= _MOST_TRIALS:
        raise KneeError(
            f"no knee between 1 and {factor:.3g} times the load: {trials[factor]:.0%} of promises are kept there"
        )
    return factor
