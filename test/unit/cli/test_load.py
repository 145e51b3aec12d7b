import argparse

import pytest

from superinfer.cli.load import add_load_arguments, build_load
from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline

pytestmark = pytest.mark.unit

MACHINE = Roofline(hardware("a100x4"), model("llama-3.1-70b"))
SMALL = Roofline(hardware("cpu"), model("smollm2-135m"))


def options(*arguments, batch_deadline_s=None):
    parser = argparse.ArgumentParser()
    add_load_arguments(parser, batch_deadline_s)
    return parser.parse_args(arguments)


def classes(load):
    return {name: sum(a.slo.cls == name for a in load) for name in sorted({a.slo.cls for a in load})}


def test_a_trace_is_interactive_and_documents_are_batch(trace):
    load = build_load(options("--trace", str(trace), "--batch-per-s", "1", "--duration-s", "40"), MACHINE, seed=0)
    assert classes(load)["interactive"] == 80
    assert {(a.slo.ttft_ms, a.slo.tpot_ms) for a in load if a.slo.cls == "interactive"} == {(1000, 100)}
    assert {(a.prompt_tokens, a.output_tokens, a.slo.deadline_ms) for a in load if a.slo.cls == "batch"} == {
        (3000, 300, None)
    }
    assert [a.at_us for a in load] == sorted(a.at_us for a in load)


def test_a_second_trace_is_batch_and_begins_elsewhere_with_another_seed(trace):
    arguments = ["--trace", str(trace), "--batch-trace", str(trace), "--batch-rate", "0.5", "--duration-s", "40"]
    loads = [build_load(options(*arguments), MACHINE, seed) for seed in (0, 1)]
    assert classes(loads[0]) == {"interactive": 80, "batch": 40}
    batch = [[a for a in load if a.slo.cls == "batch"] for load in loads]
    assert batch[0] != batch[1]
    assert [batch[0][0].at_us, batch[1][0].at_us] == [0, 0]


def test_a_mix_and_its_targets(trace):
    arguments = ["--trace", str(trace), "--slo-mix", "interactive:0.5,standard:0.25,batch:0.25", "--ttft-ms", "700"]
    load = build_load(options(*arguments, "--tpot-ms", "50", "--batch-deadline-s", "90"), MACHINE, seed=0)
    assert len(load) == 80
    targets = {a.slo.cls: (a.slo.ttft_ms, a.slo.tpot_ms, a.slo.deadline_ms) for a in load if a.prompt_tokens < 400}
    assert targets == {
        "interactive": (700, 50, None),
        "standard": (None, None, None),
        "batch": (None, None, 90_000),
    }
    assert classes(load)["interactive"] == pytest.approx(40, abs=12)


def test_a_first_token_is_promised_no_sooner_than_its_prompt_allows(trace):
    load = build_load(options("--trace", str(trace), "--ttft-ms", "1"), MACHINE, seed=0)
    assert all(3 * MACHINE.prefill_alone_us(a.prompt_tokens) <= 1000 * a.slo.ttft_ms for a in load)


@pytest.mark.parametrize("kind", ["poisson", "bursty"])
def test_synthetic_requests_have_the_rates_and_lengths_of_the_arguments(kind):
    arguments = ["--trace", f"synthetic:{kind}", "--requests-per-s", "10", "--rate", "2", "--prompt-tokens", "fixed:70"]
    load = build_load(options(*arguments, "--output-tokens", "uniform:5,9"), MACHINE, seed=0, factor=0.5)
    assert len(load) == pytest.approx(6000, rel=0.15)
    assert {a.prompt_tokens for a in load} == {70}
    assert {a.output_tokens for a in load} == {5, 6, 7, 8, 9}


def test_the_seed_changes_what_is_random(trace):
    given = options("--trace", "synthetic:poisson", "--batch-per-s", "1", "--slo-mix", "interactive:0.5,standard:0.5")
    assert build_load(given, MACHINE, seed=1) == build_load(given, MACHINE, seed=1)
    assert build_load(given, MACHINE, seed=1) != build_load(given, MACHINE, seed=2)
    of_trace = options("--trace", str(trace))
    assert build_load(of_trace, MACHINE, seed=1) == build_load(of_trace, MACHINE, seed=2)


def test_documents_and_synthetic_requests_of_one_seed_do_not_come_together():
    given = options("--trace", "synthetic:poisson", "--batch-per-s", "1", "--requests-per-s", "1")
    times = [a.at_us for a in build_load(given, MACHINE, seed=0)]
    assert len(set(times)) == len(times)


def test_the_factor_speeds_up_everything(trace):
    given = options("--trace", str(trace), "--batch-per-s", "2", "--duration-s", "40")
    once, twice = (build_load(given, MACHINE, seed=0, factor=factor) for factor in (1.0, 2.0))
    chat_us = [max(a.at_us for a in load if a.slo.cls == "interactive") for load in (once, twice)]
    assert chat_us[1] == pytest.approx(chat_us[0] / 2)
    assert classes(twice)["batch"] == pytest.approx(2 * classes(once)["batch"], rel=0.3)


def test_what_the_machine_cannot_hold_is_left_out_with_a_line(capsys):
    tokens = SMALL.kv_tokens
    arguments = ["--trace", "synthetic:poisson", "--output-tokens", "fixed:10", "--prompt-tokens"]
    assert build_load(options(*arguments, f"fixed:{tokens - 10}"), SMALL, seed=0) == []
    assert "requests are left out" in capsys.readouterr().err
    assert len(build_load(options(*arguments, f"fixed:{tokens - 11}"), SMALL, seed=0)) > 500
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trace", "synthetic:magic"], "suffix of a trace"),
        (["--trace", "synthetic:poisson", "--requests-per-s", "0"], "rate of synthetic requests"),
        (["--trace", "synthetic:bursty", "--burstiness", "-1"], "burstiness of synthetic requests"),
        (["--trace", "synthetic:poisson", "--prompt-tokens", "many"], "lengths 'many'"),
        (["--trace", "synthetic:poisson", "--slo-mix", "gold:1"], "class 'gold'"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_load(options(*arguments), MACHINE, seed=0)
