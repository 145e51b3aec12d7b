import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.sim.bound import Work, fewest_late, most_on_time
from superinfer.sim.run import POLICIES
from superinfer.workload.arrivals import Arrival
from unit.sim.simulated import BATCH, CHAT, DEADLINE, LOADS, TIGHT, engine_of, machine

pytestmark = pytest.mark.unit


def on_time(served):
    return sum(s.outcome is not None and s.outcome.verdict != "missed" for s in served)


@settings(max_examples=150, deadline=None)
@given(load=LOADS, policy=st.sampled_from(sorted(POLICIES)))
def test_no_policy_has_more_requests_on_time(load, policy):
    engine = engine_of(policy)
    assert on_time(engine.run(load)) <= most_on_time(load, machine())


@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("slo", [CHAT, TIGHT, DEADLINE])
def test_no_policy_has_more_requests_on_time_when_few_can_be(policy, slo):
    load = [Arrival(n * 30_000, 50 + 191 * n % 700, 1 + 7 * n % 30, slo) for n in range(60)]
    bound = most_on_time(load, machine())
    assert 0 < bound < len(load)
    assert on_time(engine_of(policy).run(load)) <= bound


def feasible(works):
    """Whether a machine with preemption has all of these on time: no stretch holds more work than time."""
    for start, end in itertools.product({work.release_us for work in works}, {work.due_us for work in works}):
        inside = [work.cost_us for work in works if start <= work.release_us and work.due_us <= end]
        if sum(inside) > max(end - start, 0):
            return False
    return True


@st.composite
def works(draw):
    release = draw(st.integers(0, 20))
    return Work(release, release + draw(st.integers(1, 20)), draw(st.integers(1, 12)))


@given(load=st.lists(works(), max_size=7))
def test_the_late_that_are_proven_are_late_in_the_best_schedule(load):
    sizes = range(len(load) + 1)
    kept = max(size for size in sizes if any(feasible(subset) for subset in itertools.combinations(load, size)))
    assert fewest_late(load) <= len(load) - kept


def test_stretches_add_up():
    burst = [(0, 10, 6), (0, 10, 6), (100, 110, 6), (100, 110, 6), (100, 110, 6)]
    assert fewest_late([Work(*work) for work in burst]) == 3


def test_one_that_cannot_be_on_time_alone_is_late():
    assert most_on_time([Arrival(0, 3000, 1, CHAT), Arrival(0, 1000, 1, CHAT)], machine()) == 1


def test_answers_count_where_the_pace_asks_for_them():
    cost = machine()
    load = [Arrival(0, 1, 1000, TIGHT)] * 200
    assert most_on_time(load, cost) < most_on_time([Arrival(0, 1, 1, TIGHT)] * 200, cost) == 200


def test_requests_without_a_target_are_on_time():
    assert most_on_time([Arrival(0, 100_000, 1000, BATCH)] * 5, machine()) == 5


def test_blocks_that_came_before_are_free():
    load = [Arrival(0, 1100, 1, CHAT, prefix=(1, 2, 3))] * 5
    assert most_on_time(load, machine()) == 5
    assert most_on_time([Arrival(0, 1100, 1, CHAT)] * 5, machine()) == 2
