"""What happens in the rotating scheduler, as events."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from superinfer.observe import events
from superinfer.observe.publisher import Publisher
from superinfer.sched.job import Job, Phase
from superinfer.sched.step_time import StepLoad
from superinfer.srt.clock import TickClock
from superinfer.srt.jobs import JobBook
from superinfer.srt.ledger import Early, is_internal


class EventFeed:
    """Hears of what happens, and publishes it.

    Args:
        publisher: Where events go.
        book: Jobs of all live requests.
        clock: The tick.
        tiers: Number of rotation tiers.
        max_wait_us: Time without service after which a request goes to the front.
    """

    def __init__(self, publisher: Publisher, book: JobBook, clock: TickClock, tiers: int, max_wait_us: int) -> None:
        self._publisher = publisher
        self._book = book
        self._clock = clock
        self._tiers = tiers
        self._max_wait_us = max_wait_us
        self._tier_of: dict[str, int] = {}

    def arrived(self, req: Any) -> None:
        """``req`` is known to the scheduler."""
        job = self._book.job_of(req)
        slo, at_us = job.state.slo, job.state.arrival_us
        self._tier_of[req.rid] = job.tier
        cls, promise = slo.cls or "", slo.to_dict()
        self._emit(req, events.Arrived(at_us, req.rid, cls, slo.tenant, job.prompt_tokens, job.tier, promise))

    def came_in(self, reqs: Iterable[Any]) -> None:
        """Prompts of ``reqs`` are computed in this step, of some the first part."""
        now_us = self._clock.now_us
        for req in reqs:
            job = self._book.job_of(req)
            if job.phase is Phase.PARKED:
                parked_us = now_us - job.waiting_since_us
                self._emit(req, events.Resumed(now_us, req.rid, parked_us, job.computed_tokens))
            elif job.phase is Phase.WAITING:
                wait_us = now_us - job.state.arrival_us
                self._emit(req, events.Admitted(now_us, req.rid, job.tier, wait_us, job.computed_tokens))

    def rotated(self, reasons: Mapping[Any, events.RotationReason]) -> None:
        """Requests are taken out, for these reasons."""
        for req, reason in reasons.items():
            job, now_us = self._book.job_of(req), self._clock.now_us
            tokens = job.computed_tokens
            self._emit(req, events.Rotated(now_us, req.rid, reason, job.tier, job.generated, tokens))

    def closed(self, req: Any, early: Early | None) -> None:
        """``req`` ended."""
        state, now_us = self._book.job_of(req).state, self._clock.stamp_us()
        self._tier_of.pop(req.rid, None)
        if early == "aborted":
            self._emit(req, events.Aborted(now_us, req.rid))
            return
        if early == "rejected":
            self._emit(req, events.Rejected(now_us, req.rid, "its SLO cannot be met"))
            return
        first_us, last_us = (
            None if us is None else us - state.arrival_us for us in (state.timeline.first_us, state.timeline.last_us)
        )
        verdict = cast(events.Verdict, state.outcome().verdict)
        self._emit(req, events.Finished(now_us, req.rid, verdict, first_us, len(req.output_ids), last_us))

    def step(self, load: StepLoad, elapsed_us: int) -> None:
        """An engine step is over."""
        self._publisher.emit(
            events.Step(
                self._clock.now_us,
                load.decode_rows,
                load.kv_tokens,
                load.prefill_tokens,
                elapsed_us,
                load.prefill_pairs,
            )
        )

    def decided(self, jobs: Sequence[Job], decision_us: int) -> None:
        """A pass has decided on ``jobs``."""
        now_us, by_tier, waits_us = self._clock.now_us, [0] * self._tiers, [0]
        counts = dict.fromkeys(Phase, 0)
        for job in jobs:
            by_tier[job.tier] += 1
            counts[job.phase] += 1
            waits_us.append(now_us - job.waiting_since_us)
            self._moved(job)
        running = counts[Phase.RUNNING] + counts[Phase.PREFILL]
        waiting, parked = counts[Phase.WAITING], counts[Phase.PARKED]
        longest_us = max(waits_us)
        self._publisher.emit(
            events.PassSummary(
                now_us, running, waiting, parked, tuple(by_tier), decision_us, longest_us, self._max_wait_us
            )
        )

    def close(self) -> None:
        """No more events."""
        self._publisher.close()

    def _moved(self, job: Job) -> None:
        rid = self._book.req_of(job).rid
        before = self._tier_of.setdefault(rid, job.tier)
        if before != job.tier:
            kind = events.Promoted if job.tier < before else events.Demoted
            self._publisher.emit(kind(self._clock.now_us, rid, before, job.tier))
            self._tier_of[rid] = job.tier

    def _emit(self, req: Any, event: events.AnyEvent) -> None:
        if not is_internal(req):
            self._publisher.emit(event)
