from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.feasible import late_jobs

pytestmark = pytest.mark.unit

JOBS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), max_size=7)


def late(pairs, now=0):
    """Indices of the given up among (due, cost) pairs."""
    due, cost = np.array(pairs, np.int64).reshape(-1, 2).T
    return set(np.flatnonzero(late_jobs(due, cost, now)).tolist())


def on_time(pairs):
    end = 0
    for due, cost in sorted(pairs):
        end += cost
        if end > due:
            return False
    return True


@given(pairs=JOBS)
def test_what_is_kept_is_on_time(pairs):
    gone = late(pairs)
    assert on_time([pair for index, pair in enumerate(pairs) if index not in gone])


@given(pairs=JOBS)
def test_nobody_keeps_more(pairs):
    kept = len(pairs) - len(late(pairs))
    most = max(size for size in range(len(pairs) + 1) for some in combinations(pairs, size) if on_time(some))
    assert kept == most


@given(pairs=JOBS, cost=st.integers(1, 100))
def test_a_doomed_job_changes_nothing_for_the_others(pairs, cost):
    assert late([*pairs, (cost - 1, cost)]) == late(pairs) | {len(pairs)}


def test_of_equals_the_first_is_given_up():
    assert late([(10, 6), (10, 6)]) == {0}


def test_no_jobs():
    assert late([], 5) == set()
