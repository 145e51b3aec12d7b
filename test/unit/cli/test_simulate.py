import csv
import json
import re

import pytest

from superinfer.cli import main
from superinfer.cli.simulate_output import COLUMNS
from superinfer.sim.run import POLICIES
from superinfer.workload.steps import MeasuredRequest, MeasuredRun, MeasuredStep, write_steps

pytestmark = pytest.mark.unit


def measured_run(**fields):
    decode = (MeasuredStep(decode_rows=n % 8 + 1, kv_tokens=100 * n, elapsed_us=20_000 + 50 * n) for n in range(100))
    prompts = (
        MeasuredStep(prefill_tokens=32 + n, prefill_pairs=n * n, elapsed_us=50_000 + 100 * n) for n in range(100)
    )
    return MeasuredRun(machine="two cores", model="tiny", kv_tokens=30_000, steps=(*decode, *prompts), **fields)


def test_it_writes_the_figures_of_each_policy(trace, tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = ["--trace", str(trace), "--batch-per-s", "0.5", "--policy", "fcfs,rotation", "--duration-s", "40"]
    assert main(["simulate", *arguments, "--json", str(out)]) == 0
    results = json.loads(out.read_text())
    assert set(results) == {"fcfs", "rotation"}
    assert results["rotation"]["classes"]["interactive"]["sent"] == 80
    assert results["rotation"]["classes"]["interactive"]["share"] >= results["fcfs"]["classes"]["interactive"]["share"]
    assert "policy" in capsys.readouterr().out


def test_a_sweep_is_nested_by_policy_load_and_seed(trace, tmp_path):
    out, table = tmp_path / "out.json", tmp_path / "out.csv"
    arguments = ["--trace", str(trace), "--batch-per-s", "0.5", "--policy", "fcfs,rotation", "--duration-s", "40"]
    outputs = ["--json", str(out), "--csv", str(table)]
    assert main(["simulate", *arguments, "--loads", "0.5,1", "--seeds", "0,1", *outputs]) == 0
    results = json.loads(out.read_text())
    assert set(results) == {"fcfs", "rotation"}
    assert set(results["fcfs"]) == {"0.5", "1"}
    assert set(results["fcfs"]["0.5"]) == {"0", "1"}
    figures = results["rotation"]["1"]["1"]["classes"]["interactive"]
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == 2 * 2 * 2 * 2
    (row,) = (
        row
        for row in rows
        if (row["policy"], row["load"], row["seed"], row["class"]) == ("rotation", "1.0", "1", "interactive")
    )
    assert float(row["ttft_p99_ms"]) == figures["ttft_p99_ms"]
    assert int(row["sent"]) == figures["sent"] == 80


def test_all_policies(trace, tmp_path):
    out = tmp_path / "out.json"
    assert main(["simulate", "--trace", str(trace), "--policy", "all", "--duration-s", "10", "--json", str(out)]) == 0
    assert list(json.loads(out.read_text())) == list(POLICIES)


def test_a_mix_of_classes_without_a_trace(tmp_path):
    out = tmp_path / "out.json"
    arguments = ["--trace", "synthetic:bursty", "--duration-s", "60", "--slo-mix", "interactive:0.5,batch:0.5"]
    assert main(["simulate", *arguments, "--policy", "rotation", "--json", str(out)]) == 0
    assert set(json.loads(out.read_text())["rotation"]["classes"]) == {"interactive", "batch"}


def test_a_measured_machine_is_simulated_and_its_error_shown(trace, tmp_path, capsys):
    measured, out = tmp_path / "run.json", tmp_path / "out.json"
    write_steps(measured_run(), measured)
    assert main(["simulate", "--trace", str(trace), "--calibrate", str(measured), "--json", str(out)]) == 0
    shown = capsys.readouterr().err
    assert "tiny on two cores: learnt from 160 steps; of 40 others" in shown
    assert re.search(r"err by \d\.\d % \(median\), \d\.\d % \(p90\)", shown)
    # The first prompt alone takes about 50 ms + 0.1 ms a token there, and a tenth of it on the default machine.
    assert json.loads(out.read_text())["fcfs"]["classes"]["interactive"]["ttft_p50_ms"] > 50


def test_requests_of_a_server_are_served_again_and_compared(tmp_path, capsys):
    requests = [
        MeasuredRequest(at_us=n * 1_000_000, prompt_tokens=100, output_tokens=5, first_us=100_000, last_us=300_000)
        for n in range(10)
    ]
    run, out = tmp_path / "run.json", tmp_path / "out.json"
    write_steps(measured_run(requests=tuple(requests)), run)
    arguments = ["--calibrate", str(run), "--validate", str(run), "--policy", "rotation", "--json", str(out)]
    assert main(["simulate", *arguments]) == 0
    assert "TTFT p99 ms" in capsys.readouterr().out
    (ttft, *_) = json.loads(out.read_text())["rotation"]
    assert (ttft["figure"], ttft["measured"], ttft["requests"]) == ("ttft_ms", 100.0, 10)
    assert ttft["ratio"] == pytest.approx(ttft["simulated"] / 100)


def test_a_trace_or_a_measured_run_is_needed_and_not_both(trace, tmp_path, capsys):
    for arguments in ([], ["--trace", str(trace), "--validate", str(trace)]):
        with pytest.raises(SystemExit):
            main(["simulate", *arguments])
        assert "--validate" in capsys.readouterr().err


def test_first_tokens_by_prompt_length_are_shown(trace, capsys):
    arguments = ["--trace", str(trace), "--seeds", "0,1", "--policy", "fcfs,rotation", "--bands"]
    assert main(["simulate", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "rotation, TTFT p99 ms" in shown
    assert re.search(r"interactive │ 257 to 1024 +│ 160 ", shown)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policy", "magic"], "policy 'magic' is not known"),
        (["--hardware", "tpu"], "hardware 'tpu' is not known"),
        (["--rate", "0"], "rate must be positive"),
        (["--loads", "0"], "rate must be positive"),
        (["--loads", "1,much"], "--loads '1,much': not numbers"),
        (["--seeds", "0,1.5"], "--seeds '0,1.5': not numbers"),
        (["--batch-tokens", "many"], "many"),
        (["--slo-mix", "gold:1"], "class 'gold'"),
        (["--calibrate", "missing.json"], "missing.json"),
        (["--plot", "out.pdf"], "out.pdf: the suffix of a picture is .svg or .png"),
    ],
)
def test_what_cannot_be_used_is_named(trace, capsys, arguments, message):
    assert main(["simulate", "--trace", str(trace), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_trace(tmp_path, capsys):
    assert main(["simulate", "--trace", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
