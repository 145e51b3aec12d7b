import pytest

from superinfer.sched.job import Phase
from superinfer.sched.plan import Pool
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sim.baselines import machine_for
from superinfer.sim.baselines.flexgen import HOST_BYTES, Blocks
from superinfer.sim.calibrate import Measured
from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline
from unit.sched.jobs import job
from unit.sim.simulated import BATCH, Arrival, engine_of

pytestmark = pytest.mark.unit

COST = Roofline(hardware("a100x4"), model("llama-3.1-70b"))


def test_weights_cross_the_link_in_every_step():
    offloaded = machine_for("flexgen", COST)
    assert offloaded.step_us(StepLoad(1, 0)) == pytest.approx(1e6 * 141.1e9 / 100e9, rel=0.001)
    assert machine_for("fcfs", COST) is COST


def test_a_large_block_of_prompts_hides_the_link():
    load = StepLoad(0, 0, 65_536, 65_536 * 500)
    assert machine_for("flexgen", COST).step_us(load) == COST.step_us(load)


def test_kv_is_in_host_memory():
    assert machine_for("flexgen", COST).kv_tokens == int((HOST_BYTES - 141.1e9) / 327_680)


def test_a_block_decodes_when_all_its_prompts_are_computed_and_ends_before_the_next():
    policy = Blocks()
    jobs = [job(0, prompt=60_000), job(1, prompt=60_000)]
    pool = Pool(1_000_000, 0)
    chunks = policy.decide(0, jobs, pool).prefill
    assert [(chunk.job.state.seq, chunk.tokens) for chunk in chunks] == [(0, 60_000), (1, 5536)]
    jobs[0].phase, jobs[0].computed_tokens, jobs[0].generated = Phase.RUNNING, 60_000, 1
    jobs.append(job(2))
    (chunk,) = policy.decide(0, jobs, pool).prefill
    assert chunk.job.state.seq == 1
    jobs[1].phase, jobs[1].computed_tokens, jobs[1].generated = Phase.RUNNING, 60_000, 1
    assert policy.decide(0, jobs, pool).decode == tuple(jobs[:2])
    for made in jobs[:2]:
        policy.finish(made)
    assert [chunk.job.state.seq for chunk in policy.decide(0, jobs[2:], pool).prefill] == [2]


def test_a_block_holds_what_fits_to_its_end():
    jobs = [job(n, prompt=100) for n in range(4)]
    assert len(Blocks().decide(0, jobs, Pool(3 * 356, 0)).prefill) == 3


def test_who_comes_late_waits_for_the_block():
    load = [Arrival(0, 100, 30, BATCH), Arrival(1, 100, 2, BATCH)]
    first, second = engine_of("flexgen").run(load)
    assert second.outcome.timeline.first_us > first.outcome.timeline.last_us


def test_a_measured_machine_has_no_link_to_read_weights_over():
    measured = Measured(StepTime(), 1000, None)
    assert machine_for("fcfs", measured) is measured
    with pytest.raises(ValueError, match="flexgen needs a data sheet"):
        machine_for("flexgen", measured)
