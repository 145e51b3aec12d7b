from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.feasible import Due, late_jobs

pytestmark = pytest.mark.unit

JOBS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), max_size=7)


def jobs_of(pairs):
    return [Due(due, cost, index) for index, (due, cost) in enumerate(pairs)]


def on_time(jobs, now=0):
    end = now
    for job in sorted(jobs, key=lambda job: job.due_us):
        end += job.cost_us
        if end > job.due_us:
            return False
    return True


@given(pairs=JOBS)
def test_what_is_kept_is_on_time(pairs):
    jobs = jobs_of(pairs)
    late = late_jobs(jobs, 0)
    assert on_time([job for job in jobs if job.index not in late])


@given(pairs=JOBS)
def test_nobody_keeps_more(pairs):
    jobs = jobs_of(pairs)
    kept = len(jobs) - len(late_jobs(jobs, 0))
    most = max(size for size in range(len(jobs) + 1) for some in combinations(jobs, size) if on_time(some))
    assert kept == most


@given(pairs=JOBS, cost=st.integers(1, 100))
def test_a_doomed_job_changes_nothing_for_the_others(pairs, cost):
    jobs = jobs_of(pairs)
    doomed = Due(cost - 1, cost, len(jobs))
    assert late_jobs([*jobs, doomed], 0) == late_jobs(jobs, 0) | {doomed.index}


def test_no_jobs():
    assert late_jobs([], 5) == set()
