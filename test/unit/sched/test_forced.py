"""Rotation by force: everybody's turn comes, and the plan stays one that can be carried out."""

import pytest

from superinfer.sched.forced import ForcedRotation
from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from unit.sched.jobs import job

pytestmark = pytest.mark.unit


def test_every_second_pass_takes_out_the_one_that_was_taken_out_least():
    policy, jobs = ForcedRotation(every=2), [job(seq, generated=3, phase=Phase.RUNNING) for seq in range(3)]
    parked = []
    for now_us in range(6):
        plan = policy.decide(now_us, jobs, Pool(10_000, 500))
        assert not set(plan.park) & set(plan.decode)
        assert plan.park_reasons == ("forced",) * len(plan.park)
        for one in plan.park:
            one.rotations += 1
        parked.append([one.state.seq for one in plan.park])
    assert parked == [[], [0], [], [1], [], [2]]


def test_nobody_is_taken_out_before_its_first_token():
    one = job(computed=100, generated=0)
    one.phase = Phase.RUNNING
    assert ForcedRotation(every=1).decide(0, [one], Pool(10_000, 500)).park == ()
