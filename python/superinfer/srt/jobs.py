"""SGLang's requests as the rotating policy sees them."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from superinfer.sched.job import Job, Phase
from superinfer.sched.rotation import RotationPolicy
from superinfer.srt.ledger import Early, Ledger


class JobBook:
    """A ``Job`` for every live request, brought up to date at each pass.

    Args:
        policy: Is told of arrivals and ends.
        ledger: Knows the promises.
        may_leave: Whether a request in the engine may be taken out now.
        elsewhere: Tokens of a request's context that do not compete for the memory that is planned, if there are any.
    """

    def __init__(
        self,
        policy: RotationPolicy,
        ledger: Ledger,
        may_leave: Callable[[Any], bool],
        elsewhere: Callable[[Any, Job], int] | None = None,
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._may_leave = may_leave
        self._elsewhere = elsewhere
        self._jobs: dict[int, Job] = {}
        self._reqs: dict[int, Any] = {}

    def job_of(self, req: Any) -> Job:
        """The job of SGLang's ``req``; opened on first sight."""
        state = self._ledger.state_of(req)
        job = self._jobs.get(state.seq)
        if job is None:
            limit = req.sampling_params.max_new_tokens or 1
            job = Job(state, len(req.origin_input_ids), limit, waiting_since_us=state.arrival_us)
            self._policy.admit(job)
            self._jobs[state.seq], self._reqs[state.seq] = job, req
        return job

    def req_of(self, job: Job) -> Any:
        """The request of a job that was not closed."""
        return self._reqs[job.state.seq]

    def has_run(self, req: Any) -> bool:
        """Whether ``req`` was taken out before."""
        return self.job_of(req).rotations > 0

    def state(self, waiting: Iterable[Any]) -> dict[str, Any]:
        """For ``/superinfer/state``: who is parked, and how many live requests each tier has."""
        tiers = Counter(job.tier for job in self._jobs.values())
        return {
            "tiers": {str(tier): count for tier, count in sorted(tiers.items())},
            "parked": [
                {"rid": req.rid, "tokens": len(req.output_ids), "rotations": self.job_of(req).rotations}
                for req in waiting
                if self.has_run(req)
            ],
        }

    def running(self, reqs: Iterable[Any], now_us: int, elapsed_us: int) -> list[Job]:
        """Jobs of requests that decode, after a step of ``elapsed_us``."""
        return [self._inside(req, Phase.RUNNING, now_us, elapsed_us) for req in reqs]

    def prefilling(self, req: Any, now_us: int, elapsed_us: int) -> Job:
        """Job of the request whose prompt is computed in parts."""
        job = self._inside(req, Phase.PREFILL, now_us, elapsed_us)
        job.computed_tokens = min(req.extend_end or 0, job.context_tokens - 1)
        self._place(req, job)
        return job

    def waiting(self, reqs: Iterable[Any]) -> list[Job]:
        """Jobs of requests outside the engine, whose cached prefixes were just matched."""
        jobs = []
        for req in reqs:
            job = self._at(req, Phase.WAITING)
            if job.rotations:
                job.phase = Phase.PARKED
            # Coming back computes at least one token.
            matched = max(0, min(req.num_matched_prefix_tokens, job.context_tokens - 1))
            job.host_tokens = min(req.host_hit_length, matched)
            job.computed_tokens = matched - job.host_tokens
            self._place(req, job)
            jobs.append(job)
        return jobs

    def is_inside(self, req: Any) -> bool:
        """Whether ``req`` was in the engine when it was last looked at."""
        return self.job_of(req).phase in (Phase.RUNNING, Phase.PREFILL)

    def parked(self, job: Job, now_us: int) -> None:
        """A request was taken out of the engine."""
        job.phase, job.slice_us, job.waiting_since_us = Phase.PARKED, 0, now_us
        job.rotations += 1

    def close(self, req: Any, early: Early | None = None) -> None:
        """``req`` ended; its length teaches the policy unless it was cut short."""
        seq = self._ledger.state_of(req).seq
        job = self._jobs.pop(seq, None)
        self._reqs.pop(seq, None)
        if job is not None and early is None:
            job.generated = len(req.output_ids)
            self._policy.finish(job)

    def _inside(self, req: Any, phase: Phase, now_us: int, elapsed_us: int) -> Job:
        job = self._at(req, phase)
        job.computed_tokens, job.host_tokens = job.context_tokens, 0
        job.slice_us += elapsed_us
        job.waiting_since_us = now_us
        job.fixed = not self._may_leave(req)
        self._place(req, job)
        return job

    def _place(self, req: Any, job: Job) -> None:
        if self._elsewhere:
            job.elsewhere_tokens = self._elsewhere(req, job)

    def _at(self, req: Any, phase: Phase) -> Job:
        job = self.job_of(req)
        job.phase, job.generated = phase, len(req.output_ids)
        return job
