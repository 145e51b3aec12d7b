import msgspec
import pytest

from superinfer.sched.rotation import RotationSettings
from superinfer.sim.run import simulate
from superinfer.sim.validate import compare
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from superinfer.workload.steps import MeasuredRequest, MeasuredRun, MeasuredStep
from unit.sim.simulated import machine

pytestmark = pytest.mark.unit

CHAT = {"class": "interactive", "ttft_ms": 1000, "tpot_ms": 100}


def measured(slower=1.0):
    """What the simulated machine itself would measure, if it were so many times slower."""
    load = [
        Arrival(n * 90_000, 164 + 37 * n, 1 + n % 5, SLO(**_fields(n)), cached_tokens=16 * (n % 9)) for n in range(40)
    ]
    served = simulate(load, "rotation", machine(20_000), one_in_parts=True).served
    lines = [each.outcome.timeline for each in served]
    requests = [
        MeasuredRequest(
            at_us=arrival.at_us + 5,
            prompt_tokens=arrival.prompt_tokens,
            cached_tokens=arrival.cached_tokens,
            output_tokens=arrival.output_tokens,
            slo=CHAT if arrival.slo.cls == "interactive" else {"class": "batch"},
            first_us=round(slower * (line.first_us - line.arrival_us)),
            last_us=round(slower * (line.last_us - line.arrival_us)),
        )
        for arrival, line in zip(load, lines, strict=True)
    ]
    return run_of(*reversed(requests))


def _fields(n):
    return {"cls": "interactive", "ttft_ms": 1000, "tpot_ms": 100} if n % 3 else {"cls": "batch"}


def run_of(*requests, **more):
    steps = (MeasuredStep(decode_rows=1, elapsed_us=1),)
    return MeasuredRun(machine="m", model="n", kv_tokens=1, steps=steps, requests=requests, **more)


def rush(**more):
    """Long prompts of two classes at once."""
    requests = [
        MeasuredRequest(
            at_us=0, prompt_tokens=900, output_tokens=2, slo={"class": cls}, first_us=300_000, last_us=400_000
        )
        for cls in ("batch", "chat", "batch", "chat", "batch", "chat")
    ]
    return run_of(*requests, **more)


def simulated(run, cls, percent=99):
    figures = compare(run, "rotation", machine(20_000))
    return next(c.simulated for c in figures if (c.cls, c.figure, c.percent) == (cls, "ttft_ms", percent))


def test_a_perfect_model_has_the_ratio_one():
    comparisons = compare(measured(), "rotation", machine(20_000))
    assert {(c.cls, c.figure, c.percent) for c in comparisons} == {
        (cls, figure, percent)
        for cls in ("all", "interactive", "batch")
        for figure in ("ttft_ms", "tpot_ms")
        for percent in (50, 99)
    }
    assert all(c.ratio == pytest.approx(1, abs=0.001) for c in comparisons)
    assert comparisons[0].requests == 40


def test_a_server_that_is_slower_shows():
    comparisons = compare(measured(slower=1.25), "rotation", machine(20_000))
    assert all(c.ratio == pytest.approx(0.8, abs=0.001) for c in comparisons)


def test_the_settings_of_the_server_count():
    settings = msgspec.to_builtins(RotationSettings())
    short = rush(rotation=settings | {"max_chunk_tokens": 64})
    assert simulated(short, "chat") != pytest.approx(simulated(rush(rotation=settings), "chat"), rel=0.1)
    assert simulated(rush(rotation=settings), "chat") == simulated(rush(), "chat")


def test_settings_that_cannot_be_used_are_named():
    with pytest.raises(ValueError, match=r"rotation: Expected `int`, got `str` - at `\$\.max_step_us`"):
        compare(rush(rotation={"max_step_us": "long"}), "rotation", machine())


def test_the_classes_of_the_server_count():
    assert simulated(rush(classes=("chat", "batch")), "chat", 50) < simulated(
        rush(classes=("batch", "chat")), "chat", 50
    )


def test_what_was_cached_is_not_computed():
    def run(cached):
        return run_of(
            MeasuredRequest(at_us=0, prompt_tokens=900, cached_tokens=cached, output_tokens=1, first_us=1, last_us=1)
        )

    assert simulated(run(800), "all") < 0.3 * simulated(run(0), "all")


def test_without_requests_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="has no requests"):
        compare(run_of(), "rotation", machine())
