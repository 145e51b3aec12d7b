"""Orders of the waiting queue that look at one request at a time."""

from collections.abc import Callable, Sequence

from superinfer.sched.job import Job
from superinfer.sched.step_time import StepTime

Key = Callable[[Job, int, StepTime], tuple[float, ...]]
"""Sort key of a waiting request at a time, given what steps cost: the least is served first."""

Order = Callable[[Sequence[Job], int, StepTime], list[Job]]
"""The waiting requests that may be served, first served first. Gets them by arrival."""


def by(key: Key) -> Order:
    """The order of a key."""
    return lambda waiting, now_us, step_time: sorted(waiting, key=lambda job: key(job, now_us, step_time))


def fcfs(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """First come, first served: vLLM's and SGLang's default."""
    return (job.state.seq,)


def by_class(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """The more important class first: the priority modes of vLLM and SGLang."""
    return (job.state.rank, job.state.seq)


def shortest_prefill_first(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """SGLang's policy of that name."""
    return (job.missing_tokens, job.state.seq)


def highest_response_ratio(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """Waiting time over service time: SGLang's ``hrrn``."""
    waited = now_us - job.state.arrival_us
    return (-(1 + waited / max(step_time.prefill_us(job.uncached_tokens), 1)), job.state.seq)


def earliest_deadline_first(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """By when the next token is due; without a target last."""
    due = job.state.next_due_us
    return (due if due is not None else float("inf"), job.state.seq)


def least_slack_first(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """By the time that can still be lost."""
    due = job.state.next_due_us
    left = due - now_us - step_time.prefill_us(job.uncached_tokens) if due is not None else float("inf")
    return (left, job.state.seq)
