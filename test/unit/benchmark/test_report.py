"""What a document says about a measurement that is made up."""

import msgspec
import pytest
from benchmark.engine import plot, report
from benchmark.engine.launch import NarrowStarts
from benchmark.engine.limits import Limits
from benchmark.engine.measure import Measurement, Run
from benchmark.engine.plans import full
from benchmark.engine.servers import Startup
from benchmark.engine.shape import ModelShape
from benchmark.engine.stats import Spread
from benchmark.engine.summary import ratios, summarise

pytestmark = pytest.mark.unit

SHAPE = ModelShape(body=900, head=100, kv_numbers=0, pair_flop=0, half=True)
NARROW = ModelShape(body=90, head=10, kv_numbers=0, pair_flop=0, half=True)
SPEEDS = {"superinfer": (40.0, 60.0, 50.0), "stock": (10.0, 10.0, 10.0), "vllm": (20.0, 30.0, 25.0)}
RESIDENT_BYTES = {"superinfer": (8_000, 8_400), "stock": (9_800, 9_800), "vllm": (9_000, 9_000)}


def measurement():
    runs = [
        Run(engine, "decode_8", repeat, {"decode_8_tok_s": value, "mixed_tok_s": value / 2})
        for engine, values in SPEEDS.items()
        for repeat, value in enumerate(values)
    ]
    return Measurement(
        runs,
        {
            engine: [
                Startup(ready_s=seconds, resident_bytes=size) for seconds, size in zip((9, 11), sizes, strict=True)
            ]
            for engine, sizes in RESIDENT_BYTES.items()
        },
        NarrowStarts(NARROW, {"superinfer": 6_400, "stock": 6_200}),
        dict.fromkeys(SPEEDS, 9_000),
        {"superinfer": ["ours.so"], "stock": [], "vllm": ["_C.abi3.so"]},
        [Limits(1_000.0, 60_000.0, 1.0), Limits(4_000.0, 20_000.0, 0.5)],
    )


@pytest.fixture
def document():
    return report.document(measurement(), full(), SHAPE, {"machine": {"cores": 2}, "command": "python -m x"})


def test_ratios_are_of_medians(document):
    assert document["ratios"]["decode_vs_vllm"] == {"1": None, "8": pytest.approx(2.0), "32": None}
    assert document["ratios"]["mixed_vs_stock"] == pytest.approx(5.0)
    assert document["ratios"]["prefill_vs_vllm"] is None
    assert document["ratios"]["ready_vs_stock"] == pytest.approx(1.0)
    assert document["ratios"]["resident_weights_vs_stock"] == pytest.approx(0.5)


def test_vllm_is_represented_by_the_best_of_its_settings():
    def spreads(rate, time_ms):
        return {"mixed_tok_s": Spread.of([rate]), "mixed_chat_e2e_p50_ms": Spread.of([time_ms])}

    found = ratios({"superinfer": spreads(40.0, 10.0), "vllm": spreads(10.0, 5.0), "vllm-iomp": spreads(20.0, 50.0)})
    assert found["mixed_vs_vllm"] == pytest.approx(2.0)
    assert found["mixed_latency_vs_vllm"]["mixed_chat_e2e_p50_ms"] == pytest.approx(2.0)


def test_spread_is_kept(document):
    assert document["summary"]["superinfer"]["decode_8_tok_s"] == {"median": 50.0, "min": 40.0, "max": 60.0}
    assert document["ready_s"]["vllm"] == {"median": 10.0, "min": 9, "max": 11}
    assert len(document["runs"]) == 9


def test_figures_are_compared_with_what_the_best_limits_allow_each_engine(document):
    limits = document["limits"]
    assert (limits["read_bytes_per_s"], limits["fp32_flop_per_s"]) == (4_000.0, 60_000.0)
    assert limits["bounds_tok_s"]["vllm"]["decode_8_tok_s"] == pytest.approx(8.0)
    assert limits["bounds_tok_s"]["superinfer"]["decode_8_tok_s"] == pytest.approx(16.0)
    assert limits["fraction_of_bound"]["vllm"]["decode_8_tok_s"] == pytest.approx(25 / 8)


def test_resident_weights_are_a_difference_over_a_difference(document):
    found = document["resident_weights"]
    assert found["superinfer"] == {"resident_bytes": 1_800, "float32_bytes": 3_600, "ratio": pytest.approx(0.5)}
    assert found["stock"]["ratio"] == pytest.approx(1.0)
    assert "vllm" not in found


def test_how_it_was_measured_is_part_of_it(document):
    assert (document["machine"], document["command"]) == ({"cores": 2}, "python -m x")
    assert document["engines"]["vllm"]["kernel_libraries"] == ["_C.abi3.so"]
    assert document["engines"]["superinfer"]["bytes_per_weight_in_bounds"] == 2


def test_the_document_is_json(document):
    assert msgspec.json.decode(msgspec.json.encode(document))["machine"] == {"cores": 2}


def test_the_table_shows_the_share_of_the_bound(document):
    view = report.table(summarise(measurement(), SHAPE), document["limits"]["bounds_tok_s"])
    cells = [list(column.cells) for column in view.columns]
    assert cells[0] == ["decode_8_tok_s", "mixed_tok_s", "ready_s", "resident_weights_over_float32"]
    assert cells[3] == ["25.0 (20.0 to 30.0), 312%", "12.5 (10.0 to 15.0)", "10.0 (9.0 to 11.0)", ""]


def test_the_chart_has_a_panel_for_each_kind_of_figure_that_was_measured():
    names = [name for _, of in plot.panels(summarise(measurement(), SHAPE)) for name in of]
    assert names == ["decode_8_tok_s", "mixed_tok_s", "ready_s", "resident_weights_over_float32"]
