import dataclasses
import json
import pickle

import pytest
from hypothesis import assume, given

from superinfer.slo import SLO, SLOError, parse_slo
from unit.strategies import slos

pytestmark = pytest.mark.unit

FIELDS = [field.name for field in dataclasses.fields(SLO)]


def gaps_filled(near, far):
    return {f: getattr(far, f) if getattr(near, f) is None else getattr(near, f) for f in FIELDS}


def contradicts(values):
    return bool(values["ttft_ms"] and values["deadline_ms"] and values["deadline_ms"] < values["ttft_ms"])


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SLO().ttft_ms = 1


def test_a_deadline_before_the_first_token_is_a_contradiction():
    with pytest.raises(SLOError, match="deadline_ms: 99 is before the first token is due") as caught:
        SLO(ttft_ms=100, deadline_ms=99)
    assert caught.value.field == "deadline_ms"
    assert SLO(ttft_ms=100, deadline_ms=100).deadline_ms == 100


@pytest.mark.parametrize(
    ("slo", "pace_ms"),
    [
        (SLO(), None),
        (SLO(tpot_ms=50), 50),
        (SLO(min_tps=10), 100),
        (SLO(tpot_ms=50, min_tps=10), 50),
        (SLO(tpot_ms=50, min_tps=40), 25),
    ],
)
def test_pace_is_the_tighter_of_two(slo, pace_ms):
    assert slo.pace_ms == pace_ms


@pytest.mark.parametrize("slo", [SLO(ttft_ms=1), SLO(tpot_ms=1), SLO(min_tps=1), SLO(deadline_ms=1)])
def test_each_target_counts_as_one(slo):
    assert slo.has_target


def test_class_precision_and_tenant_promise_nothing_that_could_be_missed():
    assert not SLO(cls="batch", kv="int4", tenant="t").has_target


@given(slos())
def test_survives_the_wire_and_pickling(slo):
    wire = json.loads(json.dumps(slo.to_dict()))
    assert None not in wire.values()
    assert parse_slo(wire) == slo
    assert pickle.loads(pickle.dumps(slo)) == slo


@given(slos(), slos())
def test_over_fills_gaps_from_the_other_unless_they_contradict(near, far):
    expected = gaps_filled(near, far)
    if contradicts(expected):
        with pytest.raises(SLOError):
            near.over(far)
    else:
        assert near.over(far) == SLO(**expected)


@given(slos())
def test_the_empty_slo_is_neutral(slo):
    assert slo.over(SLO()) == slo == SLO().over(slo)
    assert slo.with_defaults(SLO()) == slo == SLO().with_defaults(slo)
    assert slo.over(slo) == slo.with_defaults(slo) == slo


@given(slos(), slos(), slos())
def test_over_is_associative(a, b, c):
    try:
        left, right = a.over(b).over(c), a.over(b.over(c))
    except SLOError:
        assume(False)
    assert left == right


@given(slos(), slos())
def test_with_defaults_keeps_what_was_asked_and_never_fails(asked, defaults):
    result = asked.with_defaults(defaults)
    expected = gaps_filled(asked, defaults)
    for field in FIELDS:
        if getattr(asked, field) is not None or not contradicts(expected):
            assert getattr(result, field) == expected[field]


def test_a_default_gives_way_to_a_tighter_target():
    assert SLO(deadline_ms=500).with_defaults(SLO(ttft_ms=1000)) == SLO(ttft_ms=500, deadline_ms=500)
    assert SLO(ttft_ms=500).with_defaults(SLO(deadline_ms=400)) == SLO(ttft_ms=500)


def test_error_survives_pickling():
    error = SLOError("slo.ttft_ms", "must be finite")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.field, copy.reason, str(copy)) == (SLOError, error.field, error.reason, str(error))


def test_error_is_a_value_error_and_can_be_seen_from_further_out():
    error = SLOError("ttft_ms", "is odd").at("slo")
    assert isinstance(error, ValueError)
    assert (error.field, str(error)) == ("slo.ttft_ms", "slo.ttft_ms: is odd")
    assert SLOError("", "is odd").at("slo").field == "slo"
