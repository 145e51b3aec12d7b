"""One scheduling pass under the rotating policy: what SGLang holds goes in, what it must do comes out."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from superinfer.sched import rejection
from superinfer.sched.job import Job
from superinfer.sched.plan import ParkReason, Plan, Pool
from superinfer.sched.rotation import RotationPolicy
from superinfer.srt.clock import TickClock
from superinfer.srt.jobs import JobBook
from superinfer.srt.ledger import is_internal

GROWTH_TOKENS = 8
"""KV that a request must find free beyond its next step, so that it is not taken out right after it came in."""

NEWCOMERS = 8
"""Requests for which a pass keeps that much free."""

COAST_US = 250_000
"""A plan by which all decode and nobody waits holds so long, if nothing happens: making it anew costs a single stream
several percent of its speed."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What may be computed of prompts in this pass.

    Attributes:
        order: Requests that may come in, first served first.
        tokens: Tokens for all of them and the one under way.
        resumed_tokens: Of these, for the request whose prompt is under way.
    """

    order: Sequence[Any] = ()
    tokens: int = 0
    resumed_tokens: int = 0

    def __bool__(self) -> bool:
        return bool(self.order or self.resumed_tokens)


@dataclass(slots=True)
class Rotation:
    """Turns plans of the policy into changes of SGLang's batches.

    Attributes:
        policy: Decides.
        book: Jobs of all live requests.
        clock: The tick.
        admission: What the plan of this pass admits.
        rejects: Whether requests are refused that cannot be on time.
        parked: Requests taken out in this pass, and why.
        rejected: Requests refused in this pass.
        jobs: Of all requests, by arrival, as the plan of this pass saw them.
        rotations: Requests taken out so far.
    """

    policy: RotationPolicy
    book: JobBook
    clock: TickClock
    page_size: int
    rejects: bool = False
    admission: Admission = field(default_factory=Admission)
    parked: dict[Any, ParkReason] = field(default_factory=dict)
    rejected: list[Any] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    rotations: int = 0
    _last_us: int = 0

    def plan(
        self, running: Sequence[Any], waiting: Sequence[Any], chunked: Any, free_tokens: int, free_rows: int
    ) -> None:
        """Decide on the next step.

        Args:
            running: Requests that decode.
            waiting: Requests in the queue, their prefixes matched.
            chunked: The request whose prompt is computed in parts, if there is one.
            free_tokens: KV that is free or can be evicted, less what these have elsewhere.
            free_rows: Requests that may come in beside those that are there.
        """
        now_us, elapsed_us = self.clock.now_us, self.clock.now_us - self._last_us
        self._last_us = now_us
        residents = self.book.running(running, now_us, elapsed_us)
        if chunked is not None:
            residents.append(self.book.prefilling(chunked, now_us, elapsed_us))
        resident_tokens = sum(job.computed_tokens for job in residents)
        outside = self.book.waiting(waiting)
        hopeless = self._hopeless(outside) if self.rejects else ()
        self.rejected = [self.book.req_of(job) for job in hopeless]
        self.jobs = sorted({*residents, *outside}.difference(hopeless), key=lambda job: job.state.seq)
        margin = NEWCOMERS * (GROWTH_TOKENS + self.page_size)
        # SGLang took nobody who would not fit alone, to the last token; then there are no newcomers to keep room for.
        largest = max((job.context_tokens + 1 - job.elsewhere_tokens for job in self.jobs), default=0)
        capacity = max(resident_tokens + free_tokens - margin, largest)
        pool = Pool(capacity, resident_tokens, len(residents) + free_rows)
        plan = self.policy.decide(now_us, self.jobs, pool)
        reasons = zip(plan.park, plan.park_reasons, strict=True)
        self.parked = {self.book.req_of(job): reason for job, reason in reasons}
        self.admission = self._admission(plan, chunked, idle=not running)

    def coasts(self, running: Sequence[Any], free_tokens: int) -> bool:
        """Whether the last plan still holds, where nobody waits and no prompt is under way: all decode.

        The time until the next plan is then charged to whoever is still there, which is what they have had.

        Args:
            running: Requests that decode.
            free_tokens: KV that is free or can be evicted; if it becomes scarce, somebody may have to leave.
        """
        ample_tokens = (NEWCOMERS + len(running)) * (GROWTH_TOKENS + self.page_size)
        if self.clock.now_us - self._last_us >= COAST_US or free_tokens < ample_tokens:
            return False
        self.admission, self.parked, self.rejected = Admission(), {}, []
        return True

    def taken_out(self, reqs: Collection[Any]) -> None:
        """These have left the engine, and wait to come back."""
        for req in reqs:
            self.book.parked(self.book.job_of(req), self.clock.now_us)
        self.rotations += len(reqs)

    def wanted_tokens(self) -> int:
        """KV that those who may come in need beside what is there of them, of what they compete for."""
        jobs = map(self.book.job_of, self.admission.order)
        missing = (min(job.missing_tokens, job.context_tokens - job.elsewhere_tokens) for job in jobs)
        return sum(tokens + GROWTH_TOKENS + 2 * self.page_size for tokens in missing)

    def retry_after_s(self) -> int:
        """Seconds until what waits now will have been computed."""
        return max(1, math.ceil(rejection.backlog_us(self.jobs, self.policy.step_time) / 1e6))

    def _hopeless(self, outside: Sequence[Job]) -> Sequence[Job]:
        """Who cannot be on time; probes of the server itself are always answered."""
        asked = [job for job in outside if not is_internal(self.book.req_of(job))]
        return rejection.hopeless(asked, self.clock.now_us, self.policy.step_time)

    def _admission(self, plan: Plan, chunked: Any, *, idle: bool) -> Admission:
        """The prompts of the plan that SGLang can take: only one may be computed in part.

        Whoever would be a second one gives its tokens to the one under way, which stands in its way until it is done.
        """
        order, tokens, resumed = [], 0, 0
        partly = chunked
        for chunk in plan.prefill:
            req, job = self.book.req_of(chunk.job), chunk.job
            if req is chunked:
                resumed += chunk.tokens
                continue
            whole = chunk.tokens >= job.missing_tokens
            if not whole and partly is not None:
                if partly is not chunked or not self._makes_way(chunked, job):
                    resumed += chunk.tokens if partly is chunked else 0
                    continue
                self.parked[chunked] = "displaced"
            partly = partly if whole else req
            order.append(req)
            tokens += self._pages(chunk.computed_tokens) + (self.page_size if whole else 0)
        if chunked is not None and chunked not in self.parked and (order or resumed or idle):
            # SGLang counts a chunk in every pass that prefills, so that it must have one.
            resumed = self._pages(max(resumed, 1))
            return Admission(order, tokens + resumed, resumed)
        return Admission(order, tokens, 0)

    def _makes_way(self, chunked: Any, job: Job) -> bool:
        """Whether a prompt under way is put off for ``job``: only for one of a more important class."""
        under_way = self.book.job_of(chunked)
        return chunked not in self.parked and not under_way.fixed and under_way.state.rank > job.state.rank

    def _pages(self, tokens: int) -> int:
        return -(-tokens // self.page_size) * self.page_size
