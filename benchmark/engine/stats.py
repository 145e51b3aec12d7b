"""Spreads and ratios."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all repeats."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


def ratio(medians: Mapping[str, Mapping[str, float]], metrics: Sequence[str], engine: str, peer: str) -> float | None:
    """Geometric mean over ``metrics`` of the engine's median over the peer's.

    Args:
        medians: Engine -> metric -> median.
        metrics: Metrics to compare; those that either engine lacks do not count.
        engine: Whose figures are divided.
        peer: By whose figures.

    Returns:
        ``None`` if no metric is there for both.
    """
    ours, theirs = medians.get(engine, {}), medians.get(peer, {})
    quotients = [ours[metric] / theirs[metric] for metric in metrics if metric in ours and metric in theirs]
    return statistics.geometric_mean(quotients) if quotients else None
