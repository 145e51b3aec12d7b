"""Feeds the cost model from the engine's steps."""

from dataclasses import dataclass, field
from typing import Any

from superinfer.sched import CostModel


@dataclass(slots=True)
class StepMeter:
    """Charges the time between two steps to the first of them.

    Only ticks are read, so that all ranks learn the same. With overlap scheduling the interval covers the wait
    for the step before, which in a steady run costs the same.
    """

    cost: CostModel = field(default_factory=CostModel)
    _prefill_tokens: int = 0
    _decode_rows: int = 0
    _started_us: int | None = None

    def step(self, batch: Any, now_us: int, *, after_idle: bool) -> None:
        """A step starts.

        Args:
            batch: SGLang's batch.
            now_us: The tick.
            after_idle: Whether the engine had nothing to do before, so that the interval measures nothing.
        """
        if self._started_us is not None and not after_idle:
            self.cost.observe(self._prefill_tokens, self._decode_rows, now_us - self._started_us)
        # A decode batch may still carry the token count of the prefill batch it grew out of.
        decoding = batch.forward_mode.is_decode()
        self._prefill_tokens = 0 if decoding else batch.extend_num_tokens or 0
        self._decode_rows = len(batch.reqs if decoding else batch.decoding_reqs or ())
        self._started_us = now_us
