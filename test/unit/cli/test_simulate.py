import json

import pytest

from superinfer.cli import main

pytestmark = pytest.mark.unit

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:15:{second:02}.{part}000000,{300 + 7 * second},{20 + part}\n"
    for second in range(40)
    for part in (1, 6)
)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return path


def test_it_writes_the_figures_of_each_policy(trace, tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = ["--trace", str(trace), "--batch-per-s", "0.5", "--policy", "fcfs,rotation", "--json", str(out)]
    assert main(["simulate", *arguments]) == 0
    results = json.loads(out.read_text())
    assert set(results) == {"fcfs", "rotation"}
    assert results["rotation"]["classes"]["interactive"]["sent"] == 80
    assert results["rotation"]["classes"]["interactive"]["share"] >= results["fcfs"]["classes"]["interactive"]["share"]
    assert "policy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policy", "magic"], "policy 'magic' is not known"),
        (["--hardware", "tpu"], "hardware 'tpu' is not known"),
        (["--rate", "0"], "rate must be positive"),
        (["--batch-tokens", "many"], "many"),
    ],
)
def test_what_cannot_be_used_is_named(trace, capsys, arguments, message):
    assert main(["simulate", "--trace", str(trace), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_trace(tmp_path, capsys):
    assert main(["simulate", "--trace", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
