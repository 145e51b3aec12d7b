import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.plan import Planner, smallest
from superinfer.sim.roofline import Roofline
from superinfer.slo import SLO
from superinfer.workload.arrivals import merged, poisson, promised

pytestmark = pytest.mark.unit

MACHINE = Roofline(hardware("cpu"), model("smollm2-135m"))
CHAT = SLO(cls="interactive", ttft_ms=1000, tpot_ms=150)
BATCH = SLO(cls="batch", deadline_ms=120_000)


def chat(rate_per_s, slo=CHAT):
    return list(promised(poisson(rate_per_s, 40, 200, 20, seed=1), slo))


def documents(rate_per_s, slo=BATCH):
    return list(promised(poisson(rate_per_s, 40, 600, 40, seed=2), slo))


@given(needed=st.integers(1, 200), start=st.integers(1, 200), at_most=st.integers(1, 200))
def test_the_smallest_is_found_from_anywhere(needed, start, at_most):
    tried = []

    def enough(number):
        tried.append(number)
        return number >= needed

    found = smallest(enough, min(start, at_most), at_most)
    assert found == (needed if needed <= at_most else None)
    assert len(tried) == len(set(tried)) <= 16
    assert all(1 <= number <= at_most for number in tried)


def test_one_replica_fewer_does_not_do():
    load = chat(8.0)
    planner = Planner(MACHINE, "fcfs", attainment=0.95)
    size = planner.mixed(load)
    assert size.replicas >= 2
    assert size.attained["interactive"] >= 0.95
    assert Planner(MACHINE, "fcfs", attainment=0.95, at_most=size.replicas - 1).mixed(load) is None


def test_a_harder_promise_never_needs_fewer():
    load = merged(chat(4.0), documents(0.5))
    sizes = [Planner(MACHINE, "rotation", share).mixed(load).replicas for share in (0.5, 0.9, 0.99)]
    assert sizes == sorted(sizes)


def test_every_class_has_to_attain_its_share():
    load = merged(chat(0.2), documents(0.2, SLO(cls="batch", deadline_ms=1)))
    planner = Planner(MACHINE, "rotation", attainment=0.5, at_most=8)
    assert planner.mixed(load) is None
    assert planner.separate(load)["batch"] is None
    assert planner.separate(load)["chat"].replicas == 1


def test_separate_pools_serve_their_own_requests_only():
    load = merged(chat(4.0), documents(0.5))
    planner = Planner(MACHINE, "rotation", attainment=0.95)
    pools = planner.separate(load)
    assert pools["chat"] == planner.mixed(chat(4.0))
    assert pools["batch"] == planner.mixed(documents(0.5))
    assert set(pools["chat"].attained) == {"interactive"}


def test_a_class_without_batch_in_its_name_is_chat():
    pools = Planner(MACHINE, "fcfs", attainment=0.9).separate(chat(0.5, SLO()))
    assert (pools["chat"].replicas, pools["batch"].replicas) == (1, 0)


def test_like_plans_are_alike():
    load = merged(chat(4.0), documents(0.5))
    assert Planner(MACHINE, "rotation", 0.9).mixed(load) == Planner(MACHINE, "rotation", 0.9).mixed(load)
