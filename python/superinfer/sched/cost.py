"""What the engine's work costs, learnt from what it did."""

from dataclasses import dataclass, field
from typing import Final

MIN_PREFILL_TOKENS: Final = 32
"""Steps with fewer prompt tokens are all fixed cost and say nothing about the price of a token."""


@dataclass(slots=True)
class _Average:
    """Exponentially weighted mean that one outlier cannot move far."""

    weight: float
    value: float = 0.0
    seen: bool = False

    def add(self, sample: float) -> None:
        if not self.seen:
            self.value, self.seen = sample, True
            return
        # A pause of the machine shows up as one huge sample. Clipping bounds its pull; a lasting change still
        # gets through, a factor of four per observation.
        clipped = min(max(sample, self.value / 4), max(self.value, 1.0) * 4)
        self.value += self.weight * (clipped - self.value)


@dataclass(slots=True)
class CostModel:
    """Step time as a line: the price of a decode step, plus a price per prompt token.

    Nothing is assumed before the first observation: until then work is free and slack is the plain time left.
    """

    _step_us: _Average = field(default_factory=lambda: _Average(weight=0.1))
    _token_us: _Average = field(default_factory=lambda: _Average(weight=0.2))

    def observe(self, prefill_tokens: int, decode_rows: int, elapsed_us: int) -> None:
        """Learn from one engine step.

        Args:
            prefill_tokens: Prompt tokens it computed.
            decode_rows: Requests it decoded one token for.
            elapsed_us: How long it took; steps of no measurable length teach nothing.
        """
        if elapsed_us <= 0:
            return
        if prefill_tokens >= MIN_PREFILL_TOKENS:
            self._token_us.add(max(elapsed_us - self._step_us.value, 0.0) / prefill_tokens)
        elif decode_rows and not prefill_tokens:
            self._step_us.add(float(elapsed_us))

    @property
    def prefill_token_us(self) -> float:
        """Price of one prompt token."""
        return self._token_us.value

    def prefill_us(self, tokens: int) -> int:
        """What ``tokens`` prompt tokens add to a step."""
        return round(tokens * self._token_us.value)

    def decode_us(self, tokens: int) -> int:
        """Time to produce ``tokens`` tokens of one request, one per step."""
        return round(tokens * self._step_us.value)
