"""The in-process engine, with the settings that the two HTTP servers do not have."""

import pytest

from superinfer import SLOError
from support.engine import running_engine

pytestmark = pytest.mark.integration

SETTINGS = {
    "overlap, pages of 16, chunks of 64": {"page_size": 16, "chunked_prefill_size": 64},
    "no overlap, pages of 1": {"disable_overlap_schedule": True},
}
GREEDY = {"temperature": 0, "max_new_tokens": 12, "ignore_eos": True}


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS.keys())
def engine(request, tiny_model):
    settings = {"model_path": str(tiny_model), "max_total_tokens": 2048, "random_seed": 0, **request.param}
    with running_engine(spawned=True, **settings) as engine:
        yield engine


def test_slo_in_and_outcome_out(engine):
    params = GREEDY | {"custom_params": {"slo": {"class": "interactive", "ttft_ms": 50_000}}}
    report = engine.generate(input_ids=list(range(5, 150)), sampling_params=params)["meta_info"]["slo"]
    assert report["class"] == "interactive"
    assert report["targets"]["ttft_ms"] == 50_000
    assert report["outcome"] in ("met", "missed")


def test_a_bad_slo_is_an_exception_that_names_the_field(engine):
    params = GREEDY | {"custom_params": {"slo": {"tpot_ms": "fast"}}}
    with pytest.raises(SLOError, match=r"custom_params\.slo\.tpot_ms"):
        engine.generate(input_ids=[1, 2, 3], sampling_params=params)
    assert engine.generate(input_ids=[1, 2, 3], sampling_params=GREEDY)["meta_info"]["slo"]["class"] == "standard"


def test_batches_and_streams(engine):
    params = [GREEDY | {"custom_params": {"slo": name}} for name in ("batch", "interactive")]
    outputs = engine.generate(input_ids=[[3, 4, 5], [6, 7, 8]], sampling_params=params)
    assert [output["meta_info"]["slo"]["class"] for output in outputs] == ["batch", "interactive"]
    *_, last = engine.generate(input_ids=[3, 4, 5], sampling_params=params[0], stream=True)
    assert last["output_ids"] == outputs[0]["output_ids"]
    assert last["meta_info"]["slo"]["class"] == "batch"


def test_parallel_samples_each_report(engine):
    params = GREEDY | {"temperature": 1.0, "n": 3, "custom_params": {"slo": "batch"}}
    outputs = engine.generate(input_ids=[9, 8, 7], sampling_params=params)
    assert [output["meta_info"]["slo"]["class"] for output in outputs] == ["batch"] * 3
