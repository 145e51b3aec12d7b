"""Which of several due jobs to give up so that as many as possible are on time, and which of the others goes first."""

import heapq
from typing import Final

import numpy as np

from superinfer.sched.columns import Bools, Ints

RESERVE: Final = 0.2
"""Part of the time until a job is due that is kept for jobs that are still to come."""


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
    rest = (~late).nonzero()[0]
    rest = rest[due_us[rest].argsort(kind="stable")]
    late_from = now_us + cost_us[rest].cumsum() > due_us[rest]
    # As long as nothing is late there is nothing to decide.
    start = int(late_from.argmax()) if late_from.any() else len(rest)
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


def first_to_go(left_us: Ints, cost_us: Ints, arrived: Ints) -> int:
    """Of jobs that are on time if they run by when they are due: the one to run now.

    It is the first to arrive that may go before all others, and leave each of them in time, with ``RESERVE`` of its
    time to spare. Promises give long jobs more time: by when they are due alone, they would be passed by whatever
    comes after them, until they can wait no longer.

    Args:
        left_us: Time until each has to be done.
        cost_us: How long each takes.
        arrived: Arrival numbers.
    """
    by_due = left_us.argsort(kind="stable")
    spare = np.minimum.accumulate((1 - RESERVE) * left_us[by_due] - cost_us[by_due].cumsum())
    candidates = by_due[np.concatenate([[True], cost_us[by_due[1:]] <= spare[:-1]])]
    return int(candidates[arrived[candidates].argmin()])


def spare_us(left_us: Ints, cost_us: Ints, reserve: float) -> float:
    """How long jobs can wait that then run by when they are due, and end with this part of their time to spare.

    Args:
        left_us: Time until each has to be done; of one job at least.
        cost_us: How long each takes.
        reserve: The part of that time.
    """
    by_due = left_us.argsort(kind="stable")
    return float(((1 - reserve) * left_us[by_due] - cost_us[by_due].cumsum()).min())
