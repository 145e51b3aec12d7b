"""How fast KV comes back from the host, learnt from the loads that were done."""

from dataclasses import dataclass
from typing import Final

FORGET: Final = 1.05
"""How much slower each load lets the estimate become, so that a link that slows down is noticed."""

MIN_TOKENS: Final = 64
"""Loads of fewer tokens say more about the passes that they fall between."""


@dataclass(slots=True)
class LoadRate:
    """Time to bring back a token's KV.

    Whether a load is done is seen only when a pass looks, by the tick, so that all ranks learn alike: it took at most
    the time until then. The shortest such time is the nearest to the truth. Before the first one, loads are free.

    Attributes:
        us_per_token: The estimate.
        error: Exponentially weighted mean of |predicted - taken| / taken, taken being what was seen.
    """

    us_per_token: float = 0.0
    error: float = 0.0
    _seen: bool = False

    def observe(self, tokens: int, at_most_us: int) -> None:
        """A load of ``tokens`` took no longer than this."""
        if tokens < MIN_TOKENS or at_most_us < 0:
            return
        sample = at_most_us / tokens
        if self._seen and at_most_us:
            self.error += 0.02 * (abs(at_most_us - self.us(tokens)) / at_most_us - self.error)
        self.us_per_token = min(sample, self.us_per_token * FORGET) if self._seen and self.us_per_token else sample
        self._seen = True

    def us(self, tokens: int) -> int:
        """Time to bring back the KV of ``tokens``."""
        return round(self.us_per_token * tokens)
