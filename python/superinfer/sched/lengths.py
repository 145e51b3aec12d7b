"""How many tokens a request will produce, learnt from those that ended."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

KEEP = 200
"""Ended requests remembered per kind: enough for a quantile, few enough to follow a change."""

LEAST = 8
"""With fewer of its own kind, a request is predicted from the next wider kind."""


QUANTILE = 0.7
"""Part of the requests that shall produce no more than is predicted."""


@dataclass(slots=True)
class OutputLengths:
    """Quantiles of output length by class, tenant and prompt length.

    Attributes:
        default_tokens: Said while nothing has ended.
        within: Exponentially weighted part of those that produced no more than was predicted: ``QUANTILE`` is meant.
    """

    default_tokens: int = 256
    within: float = QUANTILE
    _ended: dict[Hashable, deque[int]] = field(default_factory=dict)

    def observe(self, cls: str | None, tenant: str | None, prompt_tokens: int, tokens: int) -> None:
        """A request ended after ``tokens`` tokens."""
        for kind in _kinds(cls, tenant, prompt_tokens):
            self._ended.setdefault(kind, deque(maxlen=KEEP)).append(tokens)

    def judge(self, expected_tokens: int, tokens: int) -> None:
        """A request ended after ``tokens`` tokens of which so many had been predicted."""
        self.within += 0.02 * ((tokens <= expected_tokens) - self.within)

    def predict(
        self, cls: str | None, tenant: str | None, prompt_tokens: int, *, at_most: int, quantile: float = QUANTILE
    ) -> int:
        """Tokens that this share of requests of its kind stays within, at least 1 and at most ``at_most``."""
        for kind in _kinds(cls, tenant, prompt_tokens):
            ended = self._ended.get(kind, ())
            if len(ended) >= LEAST:
                ranked = sorted(ended)
                return max(1, min(at_most, ranked[min(int(quantile * len(ranked)), len(ranked) - 1)]))
        return max(1, min(at_most, self.default_tokens))


def _kinds(cls: str | None, tenant: str | None, prompt_tokens: int) -> tuple[Hashable, ...]:
    """From the narrowest kind to the widest."""
    band = prompt_tokens.bit_length()
    return (cls, tenant, band), (cls, tenant), (cls,), ()
