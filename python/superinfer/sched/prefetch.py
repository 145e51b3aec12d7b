"""Whose KV to bring back from the host ahead of its turn."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from superinfer.sched.job import Job, Phase
from superinfer.sched.step_time import StepTime

LEAST_PATIENCE_US: Final = 1_000_000
"""A load is not given up sooner: what computing costs may not be known yet, and giving up costs something, too."""


@dataclass(frozen=True, slots=True)
class Prefetch:
    """KV to bring back now.

    Attributes:
        job: Whose.
        tokens: How much.
        slack_us: Time to spare if it is loaded and computed now; ``None`` where nothing is owed.
    """

    job: Job
    tokens: int
    slack_us: int | None


@dataclass(slots=True)
class Bandwidth:
    """A budget of tokens that refills with time.

    One load may overdraw it, or those that are larger than a second's worth would never come; the next one waits until
    the debt is paid.

    Attributes:
        tokens_per_s: ``None`` sets no limit.
    """

    tokens_per_s: float | None
    _left: float = 0.0
    _at_us: int | None = None

    def allows(self, now_us: int) -> bool:
        """Whether a load may begin."""
        if self.tokens_per_s is None:
            return True
        if self._at_us is None:
            self._left = self.tokens_per_s
        else:
            self._left = min(self._left + (now_us - self._at_us) * self.tokens_per_s / 1e6, self.tokens_per_s)
        self._at_us = now_us
        return self.tokens_per_s > 0 and self._left > 0

    def spend(self, tokens: int) -> None:
        """A load has begun."""
        self._left -= tokens


def choose(
    jobs: Iterable[Job], now_us: int, step_time: StepTime, room_tokens: int, least_tokens: int = 1
) -> Prefetch | None:
    """The waiting request to load for next.

    Those that can still be on time by slack, the least first; then the others by class and how long they have waited. A
    prefix that does not fit is passed by one that does.

    Args:
        jobs: Requests; those that do not wait, and those without KV on the host, are passed over.
        now_us: The tick.
        step_time: What steps and loads cost.
        room_tokens: KV memory that may be used for it.
        least_tokens: Less is not worth a load.
    """
    best: tuple[tuple[int, int, int], Prefetch] | None = None
    for job in jobs:
        tokens = job.loading_tokens
        if job.phase not in (Phase.WAITING, Phase.PARKED) or not max(least_tokens, 1) <= tokens <= room_tokens:
            continue
        slack_us = _slack_us(job, now_us, step_time)
        on_time = slack_us is not None and slack_us >= 0
        urgency = slack_us if slack_us is not None and on_time else job.waiting_since_us
        place = (0 if on_time else 1 + job.state.rank, urgency, job.state.seq)
        if best is None or place < best[0]:
            best = place, Prefetch(job, tokens, slack_us)
    return None if best is None else best[1]


def patience_us(jobs: Iterable[Job], load_tokens: int, now_us: int, step_time: StepTime) -> int:
    """How long a step may wait for a load, before it is given up and what it brings is computed.

    As long as all that are in the step can still be on time if it is computed in the end; at least as long as that
    takes, so that nobody who is late in any case computes what was about to arrive.

    Args:
        jobs: Requests in the step.
        load_tokens: What is loaded.
        now_us: The tick.
        step_time: What steps cost.
    """
    compute_us = step_time.prefill_us(load_tokens)
    slacks = (_slack_us(job, now_us, step_time) for job in jobs)
    left = [slack_us - compute_us for slack_us in slacks if slack_us is not None and slack_us > compute_us]
    return max(min(left, default=0), compute_us, LEAST_PATIENCE_US)


def _slack_us(job: Job, now_us: int, step_time: StepTime) -> int | None:
    context = job.computed_tokens + job.loading_tokens
    next_us = step_time.loads.us(job.loading_tokens) + step_time.prefill_us(job.uncached_tokens, context)
    last_us = next_us + step_time.decode_us(job.remaining_tokens)
    dues = ((job.state.next_due_us, next_us), (job.state.last_due_us, last_us))
    return min((due_us - now_us - cost_us for due_us, cost_us in dues if due_us is not None), default=None)
