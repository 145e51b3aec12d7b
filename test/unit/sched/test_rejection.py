import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.job import Phase
from superinfer.sched.rejection import backlog_us, hopeless
from superinfer.sched.step_time import StepTime
from superinfer.slo import SLO
from unit.sched.jobs import BATCH, CHAT, job, known_machine

pytestmark = pytest.mark.unit

MACHINE = known_machine()  # 0.2 ms a prompt token
DEADLINE = SLO(cls="batch", deadline_ms=1000)


@pytest.mark.parametrize(
    ("slo", "prompt", "waited_us", "is_hopeless"),
    [
        (CHAT, 4_000, 0, False),
        (CHAT, 4_000, 300_000, True),
        (CHAT, 6_000, 0, True),
        (DEADLINE, 6_000, 0, True),
        (DEADLINE, 4_000, 0, False),
        (BATCH, 100_000, 10**9, False),
    ],
)
def test_alone_a_request_is_hopeless_if_its_prompt_takes_longer_than_is_left(slo, prompt, waited_us, is_hopeless):
    one = job(1, slo, prompt=prompt)
    assert hopeless([one], waited_us, MACHINE) == ((one,) if is_hopeless else ())


def test_of_several_the_costliest_are_refused():
    small = [job(seq, CHAT, prompt=1_500) for seq in range(3)]
    large = job(9, CHAT, prompt=4_500)
    assert hopeless([*small, large], 0, MACHINE) == (large,)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PREFILL, Phase.PARKED])
def test_who_has_begun_is_not_refused(phase):
    assert hopeless([job(1, CHAT, prompt=9_000, phase=phase, generated=2)], 10**7, MACHINE) == ()


def test_nothing_is_refused_before_anything_was_learnt():
    assert hopeless([job(1, CHAT, prompt=100_000)], 900_000, StepTime()) == ()


def test_the_backlog_is_what_waits_of_prompts():
    jobs = [job(1, prompt=1_000), job(2, prompt=1_000, computed=500), job(3, phase=Phase.RUNNING)]
    assert backlog_us(jobs, MACHINE) == pytest.approx(300_000, rel=0.1)


@given(st.lists(st.integers(1, 8_000), max_size=20), st.integers(0, 2_000_000))
def test_those_that_are_left_can_all_be_on_time(prompts, now_us):
    jobs = [job(seq, CHAT, prompt=prompt) for seq, prompt in enumerate(prompts)]
    refused = set(hopeless(jobs, now_us, MACHINE))
    left = [one for one in jobs if one not in refused]
    assert hopeless(left, now_us, MACHINE) == ()
