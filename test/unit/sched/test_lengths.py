"""How long answers are thought to become, and whether they do."""

import random

import pytest

from superinfer.sched.lengths import QUANTILE, OutputLengths
from superinfer.sched.rotation import RotationPolicy
from unit.sched.jobs import BATCH, job

pytestmark = pytest.mark.unit


def test_as_many_as_meant_stay_within_what_is_predicted():
    lengths, draw = OutputLengths(), random.Random(3)
    for _ in range(3000):
        tokens = draw.randint(1, 100)
        lengths.judge(lengths.predict("batch", None, 50, at_most=1000), tokens)
        lengths.observe("batch", None, 50, tokens)
    assert lengths.within == pytest.approx(QUANTILE, abs=0.15)


def test_answers_that_become_longer_are_noticed():
    lengths = OutputLengths()
    for _ in range(100):
        lengths.judge(10, 20)
    assert lengths.within < 0.2


def test_who_may_not_produce_more_says_nothing():
    policy = RotationPolicy()
    for seq in range(50):
        made = job(seq, BATCH)
        made.expected_tokens = 5
        policy.admit(made)
        made.generated = 5
        policy.finish(made)
    assert policy.calibration()["output_length_within"] == QUANTILE
