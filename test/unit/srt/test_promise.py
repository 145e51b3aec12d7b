from types import SimpleNamespace

import pytest
from hypothesis import given

from superinfer.slo import SLO, Carried, SLOClasses, SLOError, SLOPolicy, parse_lenient
from superinfer.srt.clock import ARRIVAL_KEY
from superinfer.srt.exchange import SCOPE_KEY, Exchange
from superinfer.srt.promise import promise, settle
from unit.strategies import PRESET_NAMES, slos

pytestmark = pytest.mark.unit

POLICY = SLOPolicy(SLOClasses())
STANDARD = {"class": "standard", "kv": "native"}


def promised(params, exchange=None):
    obj = SimpleNamespace(sampling_params=params)
    promise(obj, POLICY, exchange or Exchange(), 7)
    for one in obj.sampling_params if isinstance(obj.sampling_params, list) else [obj.sampling_params]:
        assert not isinstance(one, dict) or one["custom_params"].pop(ARRIVAL_KEY) == 7
    return obj.sampling_params


@pytest.mark.parametrize("params", [None, {}, {"custom_params": None}, {"custom_params": {"slo": None}}])
def test_a_request_without_slo_gets_the_default_class(params):
    assert promised(params) == {"custom_params": {"slo": STANDARD}}


def test_other_parameters_are_kept_and_the_clients_object_is_not_changed():
    params = {"temperature": 0, "custom_params": {"mine": 1, "slo": "batch"}}
    assert promised({"custom_params": {ARRIVAL_KEY: 5}}) == {"custom_params": {"slo": STANDARD}}
    assert promised(params) == {
        "temperature": 0,
        "custom_params": {"mine": 1, "slo": {"class": "batch", "kv": "int4"}},
    }
    assert params == {"temperature": 0, "custom_params": {"mine": 1, "slo": "batch"}}


def test_each_prompt_of_a_batch_gets_its_own():
    first, second = promised([{"custom_params": {"slo": "batch"}}, {}])
    assert first["custom_params"]["slo"]["class"] == "batch"
    assert second["custom_params"]["slo"] == STANDARD


def test_the_other_carriers_count():
    exchange = Exchange(Carried(header=SLO(ttft_ms=5)))
    assert promised(None, exchange)["custom_params"]["slo"] == {**STANDARD, "ttft_ms": 5}


@pytest.mark.parametrize("params", ["nonsense", 5, [1, "x"]])
def test_parameters_that_are_none_are_left_to_sglang(params):
    assert promised(params) == params


@pytest.mark.parametrize("custom_params", [[], "x", 5, False])
def test_custom_params_must_be_an_object(custom_params):
    with pytest.raises(SLOError, match="custom_params: must be an object"):
        settle(custom_params, POLICY, Exchange())


@given(slos(classes=PRESET_NAMES))
def test_the_scheduler_reads_what_was_promised_and_promising_again_changes_nothing(slo):
    once = promised({"custom_params": {"slo": slo.to_dict()}})
    assert parse_lenient(once["custom_params"]) == settle({"slo": slo.to_dict()}, POLICY, Exchange())
    assert promised(once) == once


class TestExchange:
    def test_is_found_in_the_scope(self):
        exchange = Exchange()
        assert Exchange.of(SimpleNamespace(scope={SCOPE_KEY: exchange})) is exchange

    @pytest.mark.parametrize("request_", [None, SimpleNamespace(scope={}), SimpleNamespace(scope={SCOPE_KEY: "x"})])
    def test_is_empty_where_there_is_none(self, request_):
        assert Exchange.of(request_) == Exchange()

    def test_collects_reports_from_outputs_and_batches_of_them(self):
        exchange = Exchange()
        assert exchange.verdict is None
        exchange.observe({"text": "a"})
        exchange.observe({"meta_info": {"id": 1}})
        assert exchange.verdict is None
        exchange.observe({"meta_info": {"slo": {"outcome": "met"}}})
        assert exchange.verdict == {"outcome": "met"}
        exchange.observe([{"meta_info": {"slo": {"outcome": "missed"}}}, {"meta_info": {}}])
        assert exchange.verdict == [{"outcome": "met"}, {"outcome": "missed"}]


def test_what_a_chat_ends_with_travels_along():
    exchange = Exchange(prompt_ends_with="tool")
    told = promised({"custom_params": {"prompt_ends_with": "user"}}, exchange)
    assert told == {"custom_params": {"slo": STANDARD, "prompt_ends_with": "tool"}}
