import pytest

from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sched.step_time import StepLoad
from superinfer.sim.baselines.mlfq import SkipJoinMLFQ
from unit.sched.jobs import job, known_machine
from unit.sim.simulated import BATCH, Arrival, engine_of

pytestmark = pytest.mark.unit

UNTOLD = StepLoad()
"""A step that teaches nothing about what steps cost."""


@pytest.fixture
def policy():
    return SkipJoinMLFQ(step_time=known_machine())


def admitted(policy, *jobs):
    for made in jobs:
        policy.admit(made)
    return list(jobs)


def test_a_prompt_joins_the_first_queue_whose_quantum_covers_it(policy):
    """A token takes 20 ms to decode, and 0.2 ms to compute: quanta of 20, 40, 80 ms are 100, 200, 400 prompt tokens."""
    jobs = admitted(policy, *(job(n, prompt=tokens) for n, tokens in enumerate((90, 150, 350, 1500))))
    assert [policy.queue(made) for made in jobs] == [0, 1, 2, 4]


def test_quanta_double(policy):
    quanta = [policy.quantum_us(queue) for queue in range(4)]
    assert quanta == [quanta[0] * 2**queue for queue in range(4)]


def test_who_uses_a_quantum_up_falls_and_starts_anew(policy):
    (made,) = admitted(policy, job(0, prompt=50))
    policy.decide(0, [made], Pool(1000, 0))
    policy.observe(UNTOLD, policy.quantum_us(0) - 1)
    assert policy.queue(made) == 0
    policy.observe(UNTOLD, 2)
    assert policy.queue(made) == 1
    policy.observe(UNTOLD, policy.quantum_us(1) - 1)
    assert policy.queue(made) == 1


def test_higher_queues_are_served_first_and_the_lowest_makes_room(policy):
    low, high = admitted(policy, job(0, prompt=900), job(1, prompt=90))
    low.phase, low.computed_tokens, low.generated = Phase.RUNNING, 900, 1
    plan = policy.decide(0, [low, high], Pool(1000, 900))
    assert ([chunk.job for chunk in plan.prefill], plan.park) == ([high], ())
    plan = policy.decide(0, [low, high], Pool(950, 900))
    assert ([chunk.job for chunk in plan.prefill], plan.decode, plan.park) == ([high], (), (low,))


def test_the_starved_are_promoted(policy):
    first, starved = admitted(policy, job(0, prompt=90), job(1, prompt=1500))
    first.waiting_since_us = policy.starvation_us
    policy.decide(policy.starvation_us, [first, starved], Pool(10_000, 0))
    assert policy.queue(starved) == 4
    policy.decide(policy.starvation_us + 1, [first, starved], Pool(10_000, 0))
    assert policy.queue(starved) == 0


def test_short_requests_pass_a_long_answer_when_memory_is_short():
    load = [Arrival(0, 900, 400, BATCH), Arrival(0, 900, 400, BATCH), Arrival(1_000_000, 300, 4, BATCH)]
    short = [engine_of(name).run(load)[2].outcome.timeline.e2e_ms for name in ("mlfq", "fcfs")]
    assert short[0] < short[1] / 4
