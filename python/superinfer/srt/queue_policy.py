"""SGLang's queue policy, reordered by slack."""

from collections.abc import Callable
from typing import Any

from sglang.srt.managers.schedule_policy import SchedulePolicy

from superinfer.sched import Band, Candidate, QueueOrder, SLOState

Decide = Callable[[list[Candidate]], QueueOrder]


class SlackSchedulePolicy(SchedulePolicy):
    """Sorts the waiting queue the way ``decide`` says."""

    def __init__(self, *args: Any, state_of: Callable[[Any], SLOState], decide: Decide) -> None:
        super().__init__(*args)
        self._state_of = state_of
        self._decide = decide
        self.aged: SLOState | None = None
        """The request that stands first through the aged lane in this pass, if any."""

    def calc_priority(self, waiting_queue: list[Any], running_batch: Any = None, processed_tokens: int = 0) -> None:
        """Match prefixes as SGLang does, then sort ``waiting_queue`` in place."""
        super().calc_priority(waiting_queue, running_batch, processed_tokens=processed_tokens)
        candidates = [self._candidate(req) for req in waiting_queue]
        order = self._decide(candidates)
        self.aged = next((c.state for c, band in zip(candidates, order.bands, strict=True) if band is Band.AGED), None)
        waiting_queue[:] = [waiting_queue[index] for index in order.indices]

    def _candidate(self, req: Any) -> Candidate:
        length = len(req.origin_input_ids) + len(req.output_ids)
        limit = req.sampling_params.max_new_tokens or 0
        return Candidate(
            self._state_of(req),
            uncached_tokens=max(length - req.num_matched_prefix_tokens, 1),
            remaining_tokens=max(limit - len(req.output_ids), 1),
        )
