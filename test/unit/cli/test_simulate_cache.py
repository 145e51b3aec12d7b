import json

import pytest

from superinfer.cache.access_log import AccessLog
from superinfer.cli import main
from unit.sim.cache.loads import conversations, unshared

pytestmark = pytest.mark.unit


def written(path, load):
    log = AccessLog(path)
    for one in load:
        log.write(one.use, one.blocks)
    log.close()
    return str(path)


@pytest.fixture
def trace(tmp_path):
    return written(tmp_path / "trace.jsonl", conversations(400))


def test_it_writes_hits_by_rule_and_capacity(trace, tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = ["--trace", trace, "--capacity-tokens", "20000,60000", "--train-fraction", "0.5", "--json", str(out)]
    assert main(["simulate", "cache", *arguments]) == 0
    report = json.loads(out.read_text())
    rules = {"fifo", "lru", "lfu", "slru", "tlru", "priority", "hits-per-token", "table", "told", "belady"}
    assert set(report["hits"]) == rules | {"learned", "learned-unguarded"}
    for capacity in ("20000", "60000"):
        hits = {name: by_size[capacity] for name, by_size in report["hits"].items()}
        assert 0 < hits["lru"] < hits["belady"] < 1
        assert hits["lru"] < hits["told"]
        assert hits["learned"] >= 0.99 * hits["lru"]
        way = (hits["learned"] - hits["lru"]) / (hits["belady"] - hits["lru"])
        assert report["gap_closed"][capacity] == pytest.approx(way)
    assert report["prefill_tokens"]["lru"]["20000"] > report["prefill_tokens"]["lru"]["60000"]
    assert report["scored_requests"] == 200
    assert "gap closed" in capsys.readouterr().out


def test_a_trace_without_reuse_has_no_gap(tmp_path, capsys):
    out = tmp_path / "out.json"
    trace = written(tmp_path / "trace.jsonl", unshared(60))
    assert main(["simulate", "cache", "--trace", trace, "--capacity-tokens", "9000", "--json", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["gap_closed"] == {"9000": None}
    assert report["predictor"] == "built-in"
    assert {by_size["9000"] for by_size in report["hits"].values()} == {0.0}
    assert "the built-in predictor serves: prefixes are used again 0 times" in capsys.readouterr().err


def test_a_predictor_is_trained_and_used(trace, tmp_path, capsys):
    model = str(tmp_path / "reuse.safetensors")
    assert main(["train", "reuse", trace, "--out", model]) == 0
    assert "parameters" in capsys.readouterr().err
    out = tmp_path / "out.json"
    arguments = ["--trace", trace, "--capacity-tokens", "20000", "--policy", "lru,learned", "--json", str(out)]
    assert main(["simulate", "cache", *arguments, "--predictor", model]) == 0
    report = json.loads(out.read_text())
    assert report["predictor"] == "reuse.safetensors"
    assert set(report["hits"]) == {"lru", "learned"}
    assert report["gap_closed"] == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train-fraction", "1"], "--train-fraction 1.0 of 400 requests leaves nothing"),
        (["--capacity-tokens", "x"], "--capacity-tokens 'x'"),
        (["--policy", "best"], "--policy 'best' is not known: fifo, lru"),
        (["--hardware", "tpu"], "hardware 'tpu' is not known"),
    ],
)
def test_arguments_that_cannot_be_used(trace, arguments, message, capsys):
    assert main(["simulate", "cache", "--trace", trace, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_predictor_that_cannot_be_used(trace, tmp_path, capsys):
    (tmp_path / "bad.safetensors").write_text("no")
    bad = str(tmp_path / "bad.safetensors")
    assert main(["simulate", "cache", "--trace", trace, "--predictor", bad]) == 2
    assert "bad.safetensors" in capsys.readouterr().err


def test_logs_that_cannot_be_learnt_from(tmp_path, capsys):
    log = written(tmp_path / "log.jsonl", unshared(20))
    assert main(["train", "reuse", log, "--out", str(tmp_path / "out")]) == 2
    assert "superinfer train: prefixes are used again 0 times" in capsys.readouterr().err
    assert main(["train", "reuse", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
