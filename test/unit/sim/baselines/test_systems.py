import pytest

from superinfer.sim.baselines import SYSTEMS
from superinfer.sim.run import POLICIES, simulate
from unit.sim.simulated import CHAT, Arrival, machine

pytestmark = pytest.mark.unit

LOAD = [Arrival(n * 20_000, 200 + 37 * n % 500, 20, CHAT) for n in range(30)]


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_its_policy_by_another_name(name):
    assert SYSTEMS[name].policy in POLICIES
    system, policy = (simulate(LOAD, each, machine()).figures() for each in (name, SYSTEMS[name].policy))
    assert system.pop("policy") == name
    assert system.items() <= policy.items()


def test_systems_are_named_when_a_policy_is_not_known():
    with pytest.raises(ValueError, match=r"fcfs.*vllm"):
        simulate(LOAD, "magic", machine())
