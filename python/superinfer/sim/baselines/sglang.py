"""What SGLang's scheduler adds to chunked prefill: longest prefix match, and priorities that preempt."""

from collections.abc import Sequence

from superinfer.sched.job import Job, Phase
from superinfer.sched.step_time import StepTime

MATCHED_QUEUE = 128
"""With more requests waiting, SGLang does not match prefixes and serves in order of arrival."""

CLIPPED_TOKENS = 4096
"""At most so many tokens of output are set aside for a request."""

RUNNING_SHARE = 0.098
"""Part of its remaining allowance that a running request is expected to use: the floor of SGLang's adaptive ratio."""


def longest_prefix(waiting: Sequence[Job], now_us: int, step_time: StepTime) -> list[Job]:
    """Most cached prompt tokens first.

    Of requests that match nothing but begin alike, all but the earliest go last: they will find its blocks.
    """
    if len(waiting) > MATCHED_QUEUE:
        return list(waiting)
    leaders: set[int] = set()
    followers: set[int] = set()
    for job in waiting:
        if _cached(job) or not job.prefix:
            continue
        if job.prefix[0] in leaders:
            followers.add(job.state.seq)
        leaders.add(job.prefix[0])
    return sorted(waiting, key=lambda job: (job.state.seq in followers, -_cached(job), job.state.seq))


def output_reserve(job: Job) -> int:
    """What SGLang keeps free for a request's output: all it may produce, or a small part once it runs."""
    allowance = min(job.remaining_tokens - 1, CLIPPED_TOKENS)
    return int(RUNNING_SHARE * allowance) if job.phase is Phase.RUNNING else allowance


def _cached(job: Job) -> int:
    return job.computed_tokens + job.host_tokens
