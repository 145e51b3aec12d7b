"""Which of several due jobs to give up so that as many as possible are on time."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Due:
    """Work that has to be done by a time.

    Attributes:
        due_us: When it has to be done.
        cost_us: How long it takes.
        index: The caller's name for it; breaks ties.
    """

    due_us: int
    cost_us: int
    index: int


def late_jobs(jobs: Sequence[Due], now_us: int) -> set[int]:
    """Indices of the jobs to give up.

    Jobs run one after the other, the earliest due first. Whenever one would be late, the costliest so far is given up:
    that leaves the most jobs on time (Moore, "An n job, one machine sequencing algorithm for minimizing the number of
    late jobs", Management Science 15, 1968). Work for a doomed job never makes a feasible one late.
    """
    kept: list[tuple[int, int]] = []
    given_up: set[int] = set()
    end_us = now_us
    for job in sorted(jobs, key=lambda job: (job.due_us, job.index)):
        heapq.heappush(kept, (-job.cost_us, job.index))
        end_us += job.cost_us
        if end_us > job.due_us:
            cost, index = heapq.heappop(kept)
            end_us += cost
            given_up.add(index)
    return given_up
