import pytest
from hypothesis import given, settings

from superinfer.sched.job import Phase
from superinfer.sim.baselines import BASELINES
from superinfer.sim.engine import UNKNOWN_TOKENS
from unit.sched.jobs import job
from unit.sim.baselines.test_chunked import decide, running
from unit.sim.simulated import BATCH, LOADS, Arrival, engine_of

pytestmark = pytest.mark.unit


def test_no_evict_admits_what_fits_to_its_end_and_max_utilization_what_fits_now():
    jobs = [running(0, prompt=1000), job(1, prompt=300)]
    # Both may have 256 tokens, of which the first has one: 1,000 + 255 + 300 + 256.
    for capacity, admitted in ((1811, [(1, 300)]), (1810, [])):
        assert decide(BASELINES["no-evict"](), jobs, capacity)[1] == admitted
    assert decide(BASELINES["max-utilization"](), jobs, 1302)[1] == [(1, 300)]
    assert decide(BASELINES["max-utilization"](), jobs, 1301)[1] == []


@settings(max_examples=30, deadline=None)
@given(load=LOADS)
def test_no_evict_takes_nobody_out(load):
    assert max((arrival.output_tokens for arrival in load), default=0) <= UNKNOWN_TOKENS
    engine = engine_of("no-evict")
    engine.run(load)
    assert engine.totals.rotations == 0


def test_max_utilization_pauses_the_latest():
    load = [Arrival(0, 900, 300, BATCH), Arrival(1, 900, 300, BATCH)]
    engine = engine_of("max-utilization")
    first, second = engine.run(load)
    assert engine.totals.rotations == 1
    assert first.outcome.timeline.max_gap_us < second.outcome.timeline.max_gap_us


@pytest.mark.parametrize("policy", ["no-evict", "max-utilization"])
def test_prompts_are_not_cut_but_for_the_first_of_a_step(policy):
    jobs = [job(0, prompt=5000), job(1, prompt=4000)]
    assert decide(BASELINES[policy](), jobs, 100_000)[1] == [(0, 5000)]
    assert decide(BASELINES[policy](), [job(0, prompt=9000)], 100_000)[1] == [(0, 8192)]
    begun = job(0, prompt=9000, computed=8192, phase=Phase.PREFILL)
    assert decide(BASELINES[policy](), [begun, job(1, prompt=4000)], 100_000)[1] == [(0, 808), (1, 4000)]
