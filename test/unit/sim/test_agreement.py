"""A machine that is known, recorded as a server would be: what is learnt of one run foretells another."""

from dataclasses import dataclass, field

import pytest

from superinfer.sched.step_time import StepLoad
from superinfer.sim.calibrate import Measured, fit
from superinfer.sim.run import CALIBRATION, simulate
from superinfer.sim.step_cost import StepCost
from superinfer.sim.validate import compare
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival, merged, poisson, promised
from superinfer.workload.steps import MeasuredRequest, MeasuredRun, MeasuredStep

pytestmark = pytest.mark.unit

TRUTH = Measured(StepCost((14_000.0, 900.0, 1.5), (9_000.0, 12_000.0, 1_100.0, 2.5, 1_250.0, 0.1)), 32_768, None)
CHAT = SLO(cls="interactive", ttft_ms=1500, tpot_ms=150)


@dataclass
class Recorder:
    """The machine, which notes its steps."""

    machine: Measured = TRUTH
    steps: list[tuple[StepLoad, int]] = field(default_factory=list)

    def step_us(self, load):
        elapsed_us = self.machine.step_us(load)
        self.steps.append((load, elapsed_us))
        return elapsed_us

    def __getattr__(self, name):
        return getattr(self.machine, name)


def recorded(seed):
    chat = [
        Arrival(one.at_us, one.prompt_tokens, one.output_tokens, one.slo, cached_tokens=150)
        for one in promised(poisson(1.2, 60, 260, 32, seed), CHAT)
    ]
    load = merged(chat, list(promised(poisson(0.5, 60, 300, 80, seed + 100), SLO(cls="batch"))))
    machine, known = Recorder(), [(step, TRUTH.step_us(step)) for step in CALIBRATION]
    run = simulate(load, "rotation", machine, known=known, one_in_parts=True)
    lines = [served.outcome.timeline for served in run.served]
    return MeasuredRun(
        machine="m",
        model="n",
        kv_tokens=TRUTH.kv_tokens,
        steps=tuple(
            MeasuredStep(
                decode_rows=load.decode_rows,
                kv_tokens=load.kv_tokens,
                prefill_tokens=load.prefill_tokens,
                prefill_pairs=load.prefill_pairs,
                elapsed_us=elapsed_us,
            )
            for load, elapsed_us in machine.steps
        ),
        requests=tuple(
            MeasuredRequest(
                at_us=arrival.at_us,
                prompt_tokens=arrival.prompt_tokens,
                cached_tokens=arrival.cached_tokens,
                output_tokens=arrival.output_tokens,
                slo=arrival.slo.to_dict(),
                first_us=line.first_us - line.arrival_us,
                last_us=line.last_us - line.arrival_us,
            )
            for arrival, line in zip(load, lines, strict=True)
        ),
    )


def test_one_run_teaches_what_another_will_measure():
    taught, other = fit(recorded(0)), recorded(1)
    assert taught.error_p90 < 0.02
    for one in compare(other, "rotation", taught.swinging(other), taught.steps):
        assert one.ratio == pytest.approx(1, abs=0.2), one
