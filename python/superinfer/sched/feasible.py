"""Which of several due jobs to give up so that as many as possible are on time."""

import heapq

import numpy as np

from superinfer.sched.columns import Bools, Ints


def late_jobs(due_us: Ints, cost_us: Ints, now_us: int) -> Bools:
    """The jobs to give up.

    Jobs run one after the other, the earliest due first. Whenever one would be late, the costliest so far is given up:
    that leaves the most jobs on time (Moore, "An n job, one machine sequencing algorithm for minimizing the number of
    late jobs", Management Science 15, 1968). Work for a doomed job never makes a feasible one late. Ties go to the
    job that stands first.

    Args:
        due_us: When each has to be done.
        cost_us: How long each takes.
        now_us: The tick.
    """
    # A job that is late even alone is the costliest when its turn comes.
    late: Bools = now_us + cost_us > due_us
    rest = np.flatnonzero(~late)
    rest = rest[np.argsort(due_us[rest], kind="stable")]
    late_from = now_us + np.cumsum(cost_us[rest]) > due_us[rest]
    # As long as nothing is late there is nothing to decide.
    start = int(np.argmax(late_from)) if late_from.any() else len(rest)
    kept = list(zip((-cost_us[rest[:start]]).tolist(), rest[:start].tolist(), strict=True))
    heapq.heapify(kept)
    end_us = now_us + int(cost_us[rest[:start]].sum())
    for index in rest[start:].tolist():
        cost = int(cost_us[index])
        heapq.heappush(kept, (-cost, index))
        end_us += cost
        if end_us > due_us[index]:
            freed, costliest = heapq.heappop(kept)
            end_us += freed
            late[costliest] = True
    return late
