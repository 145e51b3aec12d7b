"""KV memory in baselines: what a request takes, what it gives back, and who has to.

Requests are counted at their full length, as if they shared no prefix: a plan made so never needs more than there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Pool

Reserve = Callable[[Job], int]
"""Tokens kept free for the output of a request, beyond its next token."""

Preempt = Callable[[Sequence[Job], Sequence[Job], int, Pool], list[Job]]
"""Running requests to take out for waiting ones: of the waiting in order, the running, the free tokens, the pool."""


def total(job: Job) -> int:
    """Tokens of KV that a request has after its next token."""
    return max(job.context_tokens, job.computed_tokens) + 1


def need(job: Job) -> int:
    """Tokens that are no longer free once a request that does not run has produced its next token."""
    return job.missing_tokens + 1 if job.phase is Phase.PREFILL else total(job)


def freed(job: Job) -> int:
    """Tokens that are free again when a running request is taken out instead of producing its next token."""
    return job.computed_tokens + 1


def no_reserve(job: Job) -> int:
    """Whoever fits now is admitted."""
    return 0


def nobody(waiting: Sequence[Job], running: Sequence[Job], free: int, pool: Pool) -> list[Job]:
    """Running requests stay."""
    return []


def latest(job: Job) -> tuple[int, ...]:
    """Out of memory: the latest arrival goes first."""
    return (-job.state.seq,)


def least_important(job: Job) -> tuple[int, ...]:
    """Out of memory: the least important class goes first, of it the latest arrival."""
    return (-job.state.rank, -job.state.seq)


@dataclass(frozen=True, slots=True)
class ClassPreempts:
    """The first of the waiting takes the memory of less important running requests, if that is enough.

    Attributes:
        threshold: A victim's class is more than so many steps less important.
        reserve: What the newcomer must find free for its output, and a victim's departure frees of its own.
    """

    threshold: int = 0
    reserve: Reserve = no_reserve

    def __call__(self, waiting: Sequence[Job], running: Sequence[Job], free: int, pool: Pool) -> list[Job]:
        """See ``Preempt``."""
        if not waiting:
            return []
        newcomer = waiting[0]
        missing = min(need(newcomer) + self.reserve(newcomer), pool.capacity) - free
        victims: list[Job] = []
        for job in sorted(running, key=least_important):
            if missing <= 0 or job.state.rank - newcomer.state.rank <= self.threshold:
                break
            victims.append(job)
            missing -= freed(job) + self.reserve(job)
        return victims if missing <= 0 else []
