import json

import pytest
from benchmark.scheduling import Bar, Bench, main

pytestmark = pytest.mark.unit


def test_a_bar_is_kept_if_every_seed_keeps_it():
    assert Bar("load", "attained", True, 0.98, [0.98, 1.0]).kept
    assert not Bar("load", "attained", True, 0.98, [0.979, 1.0]).kept
    assert Bar("load", "p99", False, 0.5, [0.5, 0.2]).kept
    assert not Bar("load", "p99", False, 0.5, [0.501, 0.2]).kept


def test_a_bar_goes_by_the_digits_that_it_prints():
    bar = Bar("load", "tokens/s", True, 1.0, [0.9996])
    assert bar.kept
    assert str(bar) == "| load | tokens/s | >= 1.000 | 1.000 | yes |"


def test_a_trace_is_held_to_the_bars(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmark.scheduling.KNEE", (0.5, 0.0))
    trace = tmp_path / "trace.csv"
    rows = [f"2023-11-16 18:00:{second:02}.0000000,400,20" for second in range(60)]
    trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
    file = tmp_path / "out.json"
    main(["--conv", str(trace), "--code", str(trace), "--seeds", "0", "1", "--parts", "overload", "--json", str(file)])
    (bar,) = json.loads(file.read_text())["bars"]
    # Everybody is on time at both loads, and at the higher one they come twice as fast.
    assert bar["got"] == pytest.approx([2.0, 2.0], rel=0.1)
    assert bar["kept"]
    assert "| twice the knee | goodput, of the knee's | >= 0.800 |" in capsys.readouterr().out


def test_a_load_comes_with_what_first_come_first_served_attains(monkeypatch, tmp_path):
    chat = {
        "share": 1.0,
        "norm_p99": 0.5,
        "ttft_by_prompt": [{"prompt_tokens_up_to": 256, "sent": 1, "ttft_p99_ms": 9}],
    }
    runs = [{"classes": {"interactive": chat}, "tokens_per_s": 100.0}]
    monkeypatch.setattr(Bench, "_runs", lambda *_: runs)
    bars = list(Bench(tmp_path, tmp_path, [0]).against_fcfs())
    assert {bar.load for bar in bars} == {"documents (fcfs attains 1.000)", "code (fcfs attains 1.000)"}
    assert [bar.kept for bar in bars[:4]] == [True, False, True, True]
