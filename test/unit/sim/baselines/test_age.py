import pytest

from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sched.step_time import StepTime
from superinfer.sim.baselines.age import RotateByAge
from unit.sched.jobs import job
from unit.sim.baselines.test_chunked import running
from unit.sim.simulated import BATCH, Arrival, engine_of

pytestmark = pytest.mark.unit

POOL = Pool(2000, 1900)
STREAMS = [running(0, slice_us=10), running(1, slice_us=30), running(2, slice_us=20)]


def victims(waiting, free=50, **settings):
    rule = RotateByAge(**{"budget_tokens": 150, "host_tokens": 1000} | settings)
    return [made.state.seq for made in rule.victims(waiting, STREAMS, free, POOL)]


def test_who_has_run_longest_goes_until_the_budget_is_freed():
    assert victims([job(3, prompt=500)]) == [1, 2]


def test_nobody_goes_when_everyone_fits_or_enough_is_free():
    assert victims([job(3, prompt=40)]) == []
    assert victims([job(3, prompt=500)], free=150) == []


def test_nobody_goes_to_a_full_host():
    assert victims([job(3, prompt=500), job(4, host_tokens=949)]) == [1, 2]
    assert victims([job(3, prompt=500), job(4, host_tokens=950)]) == []


def test_the_budget_is_a_tenth_of_a_small_pool_at_most():
    assert victims([job(3, prompt=500)], budget_tokens=10_000) == [1, 2]


def test_whoever_comes_back_produces_a_token_before_it_goes_again():
    rule, (stream,), waiting = RotateByAge(), STREAMS[:1], [job(3, prompt=500)]
    assert rule.victims(waiting, [stream], 50, POOL) == [stream]
    assert rule.victims(waiting, [stream], 50, POOL) == []
    stream = running(0, generated=2)
    assert rule.victims(waiting, [stream], 50, POOL) == [stream]


def test_those_that_do_not_fit_together_all_end():
    """They would swap for ever if they could be taken out as soon as their KV is back."""
    load = [Arrival(0, 102, 90, BATCH), *(Arrival(n * 20_000, 1800 + n, 30, BATCH) for n in (1, 2, 3))]
    assert [served.output_tokens for served in engine_of("age").run(load, 60_000_000)] == [90, 30, 30, 30]


def order(waiting):
    return [made.state.seq for made in RotateByAge(host_tokens=1000).order(waiting, 0, StepTime())]


def test_who_has_waited_longest_comes_first():
    waiting = [job(0, waiting_since_us=30), job(1, waiting_since_us=10), job(2, waiting_since_us=20)]
    assert order(waiting) == [1, 2, 0]


def test_a_busy_host_holds_newcomers_back():
    parked = job(1, phase=Phase.PARKED, host_tokens=901)
    assert order([job(0), parked]) == [1]
    parked.host_tokens = 900
    assert order([job(0), parked]) == [0, 1]


def test_long_answers_make_room_for_those_who_wait():
    load = [Arrival(0, 900, 400, BATCH), Arrival(0, 900, 400, BATCH), Arrival(1_000_000, 600, 10, BATCH)]
    rotated, served_in_order = engine_of("age"), engine_of("fcfs")
    waited = [engine.run(load)[2].outcome.timeline.ttft_ms for engine in (rotated, served_in_order)]
    assert waited[0] < waited[1] / 2
    assert rotated.totals.rotations > 0
