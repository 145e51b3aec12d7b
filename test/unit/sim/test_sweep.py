import pytest

from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline
from superinfer.sim.sweep import sweep
from superinfer.slo import SLO
from superinfer.workload.arrivals import merged, poisson, promised

pytestmark = pytest.mark.unit

MACHINE = Roofline(hardware("cpu"), model("smollm2-135m"))


def load_of(factor, seed):
    chat = promised(poisson(factor, 20, 100, 5, seed), SLO(cls="interactive", ttft_ms=1000, tpot_ms=100))
    return merged(list(chat), poisson(0.2, 20, 300, 10, seed))


def test_every_policy_serves_every_load():
    points = sweep(["fcfs", "rotation"], [0.5, 2.0], [0, 1], load_of, MACHINE)
    expected = [(p, load, seed) for load in (0.5, 2.0) for seed in (0, 1) for p in ("fcfs", "rotation")]
    assert [(point.policy, point.load, point.seed) for point in points] == expected
    assert all(point.figures["policy"] == point.policy for point in points)


def test_the_distributions_are_those_of_the_promised():
    (point,) = sweep(["fcfs"], [2.0], [0], load_of, MACHINE)
    chat = point.figures["classes"]["interactive"]
    assert point.promised == chat["sent"] == len(point.ttft_ms) == len(point.over_target)
    assert point.ttft_ms == sorted(point.ttft_ms)
    assert point.ttft_ms[-1] == chat["ttft_p99_ms"]
    assert sum(value <= 1 for value in point.over_target) == chat["met"]


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="magic"):
        sweep(["magic"], [1.0], [0], load_of, MACHINE)
