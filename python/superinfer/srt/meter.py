"""Measures the engine's steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from superinfer.sched.step_time import StepLoad


@dataclass(slots=True)
class StepMeter:
    """Charges the time between two steps to the first of them.

    Only ticks are read, so that all ranks learn the same. With overlap scheduling the interval covers the wait
    for the step before, which in a steady run costs the same. Steps that wait for KV from the host teach nothing.

    Attributes:
        learn: Is told of each step and the microseconds it took.
    """

    learn: Callable[[StepLoad, int], None]
    _load: StepLoad = field(default_factory=StepLoad)
    _started_us: int | None = None

    def step(self, batch: Any, now_us: int, *, after_idle: bool) -> None:
        """A step starts.

        Args:
            batch: SGLang's batch.
            now_us: The tick.
            after_idle: Whether the engine had nothing to do before, so that the interval measures nothing.
        """
        if self._started_us is not None and not after_idle:
            self.learn(self._load, now_us - self._started_us)
        self._load = load_of(batch)
        self._started_us = now_us if batch.hicache_consumer_index < 0 else None


def load_of(batch: Any) -> StepLoad:
    """What there is to do in SGLang's ``batch``: decode, prefill, or both."""
    decoding = batch.reqs if batch.forward_mode.is_decode() else batch.decoding_reqs or ()
    rows = set(decoding)
    extends = [(req.prefix_len, req.extend_end - req.prefix_len) for req in batch.reqs if req not in rows]
    return StepLoad(
        decode_rows=len(rows),
        kv_tokens=sum(len(req.origin_input_ids) + len(req.output_ids) for req in decoding),
        prefill_tokens=sum(tokens for _, tokens in extends),
        prefill_pairs=sum(tokens * prefix + tokens * tokens // 2 for prefix, tokens in extends),
    )
