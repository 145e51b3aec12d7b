import pytest
from hypothesis import given, settings

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.rotation import RotationPolicy
from superinfer.sched.state import SLOState
from superinfer.sim.one_in_parts import OneInParts
from superinfer.sim.run import simulate
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from unit.sim.simulated import CHAT, DEADLINE, LOADS, machine

pytestmark = pytest.mark.unit

POOL = Pool(10_000, 0)


def job(seq, rank=0, prompt=100, phase=Phase.WAITING, computed=0, fixed=False):
    state = SLOState(SLO(), rank, seq, 0)
    return Job(state, prompt, 10, computed, phase=phase, fixed=fixed)


def obeyed(jobs, *chunks, decode=(), park=()):
    """What becomes of a plan, as (arrival number, tokens), and who is taken out."""
    policy = RotationPolicy()
    policy.decide = lambda *_: Plan(tuple(decode), tuple(Chunk(job, tokens) for job, tokens in chunks), tuple(park))
    plan = OneInParts(policy).decide(0, jobs, POOL)
    return [(chunk.job.state.seq, chunk.tokens) for chunk in plan.prefill], [job.state.seq for job in plan.park]


@pytest.fixture(autouse=True)
def free_methods(monkeypatch):
    """Instances of a class with slots take no methods: a subclass without them does."""
    monkeypatch.setattr(f"{__name__}.RotationPolicy", type("Free", (RotationPolicy,), {}))


def test_whole_prompts_and_one_in_parts_are_computed_as_planned():
    a, b = job(0), job(1)
    assert obeyed([a, b], (a, 100), (b, 30)) == ([(0, 100), (1, 30)], [])


def test_a_second_one_in_parts_gives_its_tokens_to_the_one_under_way():
    under_way, other = job(0, phase=Phase.PREFILL, computed=40), job(1)
    assert obeyed([under_way, other], (under_way, 20), (other, 30)) == ([(0, 50)], [])
    assert obeyed([under_way, other], (under_way, 50), (other, 30)) == ([(0, 60)], [])


def test_a_more_important_one_takes_its_place():
    under_way, chat = job(0, rank=2, phase=Phase.PREFILL, computed=40), job(1)
    assert obeyed([under_way, chat], (chat, 30)) == ([(1, 30)], [0])
    under_way.fixed = True
    assert obeyed([under_way, chat], (chat, 30)) == ([(0, 30)], [])


def test_of_two_that_begin_in_parts_only_the_first_does():
    a, b = job(0), job(1)
    assert obeyed([a, b], (a, 30), (b, 30)) == ([(0, 30)], [])


def test_the_one_under_way_gets_a_token_beside_whole_prompts_and_on_an_idle_machine():
    under_way, other, runs = job(0, phase=Phase.PREFILL, computed=40), job(1), job(2, phase=Phase.RUNNING)
    assert obeyed([under_way, other], (other, 100), decode=[runs]) == ([(0, 1), (1, 100)], [])
    assert obeyed([under_way]) == ([(0, 1)], [])
    assert obeyed([under_way], decode=[runs]) == ([], [])


def test_who_is_taken_out_computes_nothing():
    under_way, other = job(0, phase=Phase.PREFILL, computed=40), job(1)
    assert obeyed([under_way, other], (other, 100), park=[under_way]) == ([(1, 100)], [0])


@settings(max_examples=25, deadline=None)
@given(LOADS)
def test_everybody_is_served(load):
    run = simulate(load, "rotation", machine(), one_in_parts=True)
    assert all(served.outcome is not None for served in run.served)


def test_a_pass_that_only_takes_the_one_under_way_out_is_followed_by_another():
    load = [Arrival(0, 1, 1, CHAT), Arrival(0, 934, 1, DEADLINE), Arrival(1, 1065, 1, CHAT)]
    run = simulate(load, "rotation", machine(), one_in_parts=True)
    assert all(served.outcome is not None for served in run.served)
