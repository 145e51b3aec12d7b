"""Which waiting requests to refuse: those that will be late whatever is done."""

from collections.abc import Sequence

import numpy as np

from superinfer.sched.feasible import late_jobs
from superinfer.sched.job import Job, Phase
from superinfer.sched.step_time import StepTime


def hopeless(jobs: Sequence[Job], now_us: int, step_time: StepTime) -> tuple[Job, ...]:
    """Of the requests that have had nothing yet, those whose first or last token cannot be on time.

    If nothing else were served, as many of them as possible would be on time; the others are hopeless. So what is
    refused would have been late, but not all that will be late is refused.

    Args:
        jobs: Requests, by arrival.
        now_us: The tick.
        step_time: What steps cost. Before it has learnt anything, nothing is hopeless.
    """
    owing = [job for job in jobs if job.phase is Phase.WAITING and not job.generated and _due_us(job) is not None]
    if not owing:
        return ()
    due_us = np.array([_due_us(job) for job in owing], np.int64)
    cost_us = np.array([_cost_us(job, step_time) for job in owing], np.int64)
    late = late_jobs(due_us, cost_us, now_us)
    return tuple(job for job, is_late in zip(owing, late.tolist(), strict=True) if is_late)


def backlog_us(jobs: Sequence[Job], step_time: StepTime) -> int:
    """Time to load and compute what waits of prompts."""
    return sum(_cost_us(job, step_time) for job in jobs if job.phase in (Phase.WAITING, Phase.PARKED))


def _cost_us(job: Job, step_time: StepTime) -> int:
    return step_time.loads.us(job.loading_tokens) + step_time.prefill_us(job.uncached_tokens)


def _due_us(job: Job) -> int | None:
    dues = [due for due in (job.state.first_due_us, job.state.last_due_us) if due is not None]
    return min(dues, default=None)
