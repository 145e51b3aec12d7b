from random import Random

import pytest

from superinfer.sched.step_time import StepLoad
from superinfer.sim.calibrate import MIN_STEPS, fit
from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline
from superinfer.sim.run import simulate
from superinfer.slo import SLO
from superinfer.workload.arrivals import poisson, promised
from superinfer.workload.steps import MeasuredRun, MeasuredStep

pytestmark = pytest.mark.unit

TRUTH = Roofline(hardware("a100"), model("llama-3.1-8b"))


def measured(count=400, noise=0.0, seed=0, load_back=None):
    """A run on ``TRUTH``: half the steps decode only and are bound by reading, half are bound by a prompt beside."""
    random, steps = Random(seed), []
    for number in range(count):
        rows = random.randint(1, 32)
        tokens = random.randint(256, 2048) if number % 2 else 0
        load = StepLoad(rows, rows * random.randint(50, 1000), tokens, tokens * random.randint(0, 500))
        elapsed_us = round(TRUTH.step_us(load) * (1 + random.uniform(-noise, noise)))
        steps.append(
            MeasuredStep(
                decode_rows=load.decode_rows,
                kv_tokens=load.kv_tokens,
                prefill_tokens=load.prefill_tokens,
                prefill_pairs=load.prefill_pairs,
                elapsed_us=elapsed_us,
            )
        )
    return MeasuredRun(
        machine="m", model="n", kv_tokens=TRUTH.kv_tokens, load_back_us_per_token=load_back, steps=tuple(steps)
    )


def test_it_predicts_steps_that_it_has_not_seen():
    fitted = fit(measured())
    assert (fitted.learnt, fitted.judged) == (320, 80)
    assert fitted.error_p50 <= fitted.error_p90 < 0.05
    load = StepLoad(20, 9_000)
    assert fitted.machine.step_us(load) == pytest.approx(TRUTH.step_us(load), rel=0.05)
    assert fitted.machine.prefill_alone_us(400) == pytest.approx(TRUTH.prefill_alone_us(400), rel=0.05)


def test_the_error_is_that_of_the_noise():
    fitted = fit(measured(count=2000, noise=0.3))
    # Uniform noise of +-30 % has a median of about 15 % and a 90th percentile of about 30 %.
    assert fitted.error_p50 == pytest.approx(0.15, abs=0.04)
    assert fitted.error_p90 == pytest.approx(0.29, abs=0.07)


def test_the_order_of_phases_does_not_matter_much():
    forth, back = measured(count=1000), measured(count=1000)
    slow_first = tuple(sorted(forth.steps, key=lambda step: step.elapsed_us))
    backwards = MeasuredRun(machine="m", model="n", kv_tokens=TRUTH.kv_tokens, steps=slow_first[::-1])
    forwards = MeasuredRun(machine="m", model="n", kv_tokens=TRUTH.kv_tokens, steps=slow_first)
    load = StepLoad(8, 4_000)
    assert fit(forwards).machine.step_us(load) == pytest.approx(fit(backwards).machine.step_us(load), rel=0.03)
    assert fit(back) == fit(forth)


def test_both_kinds_of_steps_are_needed():
    run = measured()
    decoding = MeasuredRun(machine="m", model="n", kv_tokens=1, steps=run.steps[::2])
    with pytest.raises(ValueError, match=f"{MIN_STEPS} steps or more that compute 32 prompt tokens or more; .* has 0"):
        fit(decoding)
    prompts = MeasuredRun(machine="m", model="n", kv_tokens=1, steps=run.steps[1::2])
    with pytest.raises(ValueError, match=f"{MIN_STEPS} steps or more that only decode; the run has 0"):
        fit(prompts)


def test_nothing_takes_no_time_and_something_always_some():
    machine = fit(measured()).machine
    assert machine.step_us(StepLoad()) == 0
    assert machine.step_us(StepLoad(1, 0)) > 0


def test_a_host_is_there_if_it_was_measured():
    without, with_host = fit(measured()).machine, fit(measured(load_back=0.5)).machine
    assert (without.has_host, without.load_back_us(1000)) == (False, 0)
    assert (with_host.has_host, with_host.load_back_us(1000)) == (True, 500)


def test_it_serves_a_load_about_as_the_machine_that_was_measured():
    load = list(promised(poisson(1, 60, 1000, 100, seed=1), SLO(cls="interactive", ttft_ms=500, tpot_ms=50)))
    truth, learnt = (simulate(load, "rotation", machine).figures() for machine in (TRUTH, fit(measured()).machine))
    for name in ("ttft_p50_ms", "ttft_p99_ms", "e2e_p99_ms"):
        expected = truth["classes"]["interactive"][name]
        assert learnt["classes"]["interactive"][name] == pytest.approx(expected, rel=0.05)
