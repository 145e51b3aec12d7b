"""Time that prompts which can be on time lend to one that cannot be any more."""

from typing import Final

import numpy as np

from superinfer.sched.columns import Bools, Columns, Ints
from superinfer.sched.feasible import spare_us
from superinfer.sched.owed import Owed

KEPT: Final = 0.4
"""Part of the time until a prompt is due that it does not lend: for jobs that are still to come."""

MOST_US: Final = 4_000_000
"""With more work than this given up, nothing is lent: it would take long anyway, and promises that can be kept pay."""


def borrower(columns: Columns, owes: Owed, lenders: Ints, given_up: Bools, step_us: int) -> Ints:
    """Which of the given up may have the next step before all prompts that can be on time: one index, or none.

    What is given up would wait until no prompt waits that can be on time, and on a busy machine that is long. But where
    each of these would still end with ``KEPT`` of its time to spare, none is late for one step. Of the given up it is
    the first to arrive of the most important class, so that one ends after the other. Nobody lends to a less important
    class.

    Args:
        columns: The requests.
        owes: What they owe.
        lenders: Indices of prompts that can be on time.
        given_up: Those that cannot.
        step_us: Length of the step.
    """
    lost = given_up.nonzero()[0]
    if not lost.size or not lenders.size:
        return lost[:0]
    if int(owes.estimate_us[lost].sum()) > MOST_US:
        return lost[:0]
    rank, left_us, cost_us = columns.terms.rank, owes.left_us[lenders], owes.estimate_us[lenders]
    # The last to be due ends after all others: often that settles it, without an order.
    if (1 - KEPT) * left_us.max() - cost_us.sum() < step_us or rank[lost].min() > rank[lenders].min():
        return lost[:0]
    if spare_us(left_us, cost_us, KEPT) < step_us:
        return lost[:0]
    return lost[np.lexsort((columns.terms.seq[lost], columns.tenant_place[lost], rank[lost]))][:1]
