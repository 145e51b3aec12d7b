"""What becomes of requests that have read KV which did not arrive from the host: their last step is void."""

from collections.abc import Mapping
from typing import Any

from sglang.srt.managers.scheduler import NextBatchPlan

from superinfer.observe.events import RotationReason
from superinfer.sched import prefetch
from superinfer.srt import parking
from superinfer.srt.host.recovery import Recovery
from superinfer.srt.host.tier import HostTier
from superinfer.srt.rotation import Rotation
from superinfer.srt.scheduler import SLOScheduler


class RecoveringScheduler(SLOScheduler):
    """Takes back steps that have read what was not there; the requests are computed again.

    They stand in the queue at once, so that they can be aborted, and must not come in before the result of the void
    step has passed by, which is a pass later.
    """

    rotation: Rotation  # never None here
    chunked_req: Any
    waiting_queue: list[Any]

    def init_schedule_policy(self) -> None:
        """Nothing is void yet."""
        super().init_schedule_policy()
        self._void: list[Any] = []

    def get_next_batch_to_run(self, running_batch: Any, last_batch: Any) -> NextBatchPlan:
        """Choose what to do in this pass; whose step was void does not run on."""
        if self._void and last_batch:
            last_batch.filter_batch(reqs_to_exclude=self._void)
        return super().get_next_batch_to_run(running_batch, last_batch)

    def hold_void_back(self) -> list[Any]:
        """Take those whose last step was void from the queue, for this pass only."""
        void, self._void = self._void, []
        waiting = [req for req in self.waiting_queue if req in void]
        if waiting:
            self.waiting_queue = [req for req in self.waiting_queue if req not in void]
        return waiting

    def run_batch(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one engine step; one that waits for loads may have read what did not arrive."""
        tier = self.host_tier
        if tier is None or tier.recovery is None or batch.hicache_consumer_index < 0:
            return super().run_batch(batch, *args, **kwargs)
        jobs = [self.rotation.book.job_of(req) for req in batch.reqs]
        loading = tier.recovery.under_way_tokens()
        patience_us = prefetch.patience_us(jobs, loading, self.clock.now_us, self.step_time)
        tier.recovery.be_patient(batch.hicache_consumer_index, patience_us)
        result = super().run_batch(batch, *args, **kwargs)
        self._look_after(batch, tier, tier.recovery)
        return result

    def note_taken_out(self, reasons: Mapping[Any, RotationReason]) -> None:
        """These have left the engine, and will come back."""
        raise NotImplementedError

    def _look_after(self, batch: Any, tier: HostTier, recovery: Recovery) -> None:
        failed = recovery.failed()
        if not failed:
            return
        tier.let_all_go()
        for req in recovery.readers(failed, batch.reqs):
            if req is self.chunked_req:
                self.chunked_req = None
            parking.take_back(req, self.tree_cache)
            self.waiting_queue.append(req)
            req.time_stats.set_wait_queue_entry_time()
            self._void.append(req)
        self.note_taken_out(dict.fromkeys(self._void, "memory"))
        recovery.finish(failed, tier.flight)
