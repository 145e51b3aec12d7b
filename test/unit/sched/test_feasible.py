from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.feasible import RESERVE, first_to_go, late_jobs

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


@given(pairs=JOBS.filter(bool))
def test_whoever_goes_first_makes_nobody_late(pairs):
    pairs = [(100 * due, 100 * cost) for due, cost in pairs]
    pairs = [pair for index, pair in enumerate(pairs) if index not in late(pairs)]
    if not pairs:
        return
    due, cost = np.array(pairs, np.int64).T
    first = first_to_go(due, cost, np.arange(len(pairs)))
    rest = [(d - cost[first], c) for index, (d, c) in enumerate(pairs) if index != first]
    assert on_time(rest)


def test_the_first_to_arrive_goes_first_if_that_leaves_the_reserve():
    time = round(100 / (1 - RESERVE))
    assert first_to_go(np.array([300, time]), np.array([60, 40]), np.array([0, 1])) == 0
    assert first_to_go(np.array([300, time]), np.array([61, 40]), np.array([0, 1])) == 1
    assert first_to_go(np.array([300, time]), np.array([60, 40]), np.array([1, 0])) == 1
