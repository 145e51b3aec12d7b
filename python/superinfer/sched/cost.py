"""What the engine's work costs, learnt from what it did."""

from dataclasses import dataclass, field


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
        clipped = min(max(sample, self.value / 4), self.value * 4)
        self.value += self.weight * (clipped - self.value)


@dataclass(slots=True)
class CostModel:
    """Step time as a line: a decode step, plus a price per prompt token.

    Nothing is assumed before the first observation: until then work is free and slack is the plain time left.
    """

    _decode_us: _Average = field(default_factory=lambda: _Average(weight=0.1))
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
        if prefill_tokens:
            share_us = self._decode_us.value if decode_rows else 0.0
            self._token_us.add(max(elapsed_us - share_us, 0.0) / prefill_tokens)
        elif decode_rows:
            self._decode_us.add(float(elapsed_us))

    def prefill_us(self, tokens: int) -> int:
        """Time to compute ``tokens`` prompt tokens."""
        return round(tokens * self._token_us.value)

    def decode_us(self, tokens: int) -> int:
        """Time to decode ``tokens`` tokens of one request at the current batch's pace."""
        return round(tokens * self._decode_us.value)
