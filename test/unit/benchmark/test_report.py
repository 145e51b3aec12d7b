"""What a document says about a measurement that is made up."""

import msgspec
import pytest
from benchmark.engine import report
from benchmark.engine.limits import Limits, ModelSize
from benchmark.engine.measure import Measurement, Run
from benchmark.engine.servers import Startup
from benchmark.engine.stats import Spread

pytestmark = pytest.mark.unit


def measurement():
    speeds = {"superinfer": (40.0, 60.0, 50.0), "stock": (10.0, 10.0, 10.0), "vllm": (20.0, 30.0, 25.0)}
    runs = [
        Run(engine, "decode_8", repeat, {"decode_8_tok_s": value, "mixed_tok_s": value / 2})
        for engine, values in speeds.items()
        for repeat, value in enumerate(values)
    ]
    return Measurement(
        runs,
        {engine: Startup(first_token_s=30.0, resident_bytes=8_000) for engine in speeds},
        dict.fromkeys(speeds, 9_000),
        [Limits(1_000.0, 60_000.0), Limits(4_000.0, 20_000.0)],
    )


@pytest.fixture
def document():
    size = ModelSize(body=900, head=100)
    return report.document(measurement(), size, {"cores": 2}, "python -m benchmark.engine", eager=True)


def test_ratios_are_of_medians(document):
    assert document["ratios"]["decode_vs_vllm"] == {"1": None, "8": pytest.approx(2.0), "32": None}
    assert document["ratios"]["mixed_vs_stock"] == pytest.approx(5.0)
    assert document["ratios"]["prefill_vs_vllm"] is None


def test_vllm_is_represented_by_the_better_of_its_two_settings():
    def spreads(rate, time_ms):
        return {"mixed_tok_s": Spread.of([rate]), "mixed_chat_e2e_p50_ms": Spread.of([time_ms])}

    summary = {"superinfer": spreads(40.0, 10.0), "vllm": spreads(10.0, 5.0), "vllm-auto": spreads(20.0, 50.0)}
    found = report.ratios(summary)
    assert found["mixed_vs_vllm"] == pytest.approx(2.0)
    assert found["mixed_latency_vs_vllm"]["mixed_chat_e2e_p50_ms"] == pytest.approx(2.0)


def test_spread_is_kept(document):
    assert document["summary"]["superinfer"]["decode_8_tok_s"] == {"median": 50.0, "min": 40.0, "max": 60.0}
    assert len(document["runs"]) == 9


def test_limits_are_the_best_seen_and_figures_are_compared_with_them(document):
    limits = document["limits"]
    assert (limits["read_bytes_per_s"], limits["fp32_flop_per_s"]) == (4_000.0, 60_000.0)
    assert limits["bounds_tok_s"]["decode_8_tok_s"] == pytest.approx(8.0)
    assert limits["fraction_of_bound"]["vllm"]["decode_8_tok_s"] == pytest.approx(25 / 8)


def test_memory_is_told_against_the_weights(document):
    assert document["engines"]["vllm"]["resident_over_weight_bytes"] == pytest.approx(2.0)


def test_how_it_was_measured_is_part_of_it(document):
    assert document["settings"] == {"vllm_compiled": False}
    assert document["machine"] == {"cores": 2}
    assert document["command"] == "python -m benchmark.engine"


def test_the_document_is_json(document):
    assert msgspec.json.decode(msgspec.json.encode(document))["machine"] == {"cores": 2}
