import math

import pytest

from superinfer.slo import KV_FORMATS, SLO, SLOError
from superinfer.slo.fields import MAX_MS, MAX_TPS, MIN_TPS

pytestmark = pytest.mark.unit

MILLIS_FIELDS = ("ttft_ms", "tpot_ms", "deadline_ms")
NUMBER_FIELDS = (*MILLIS_FIELDS, "min_tps")
NAME_FIELDS = ("cls", "tenant")


def refusal(field, value):
    with pytest.raises(SLOError) as caught:
        SLO(**{field: value})
    assert caught.value.field == ("class" if field == "cls" else field)
    return caught.value.reason


@pytest.mark.parametrize("field", NUMBER_FIELDS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "must be a number, not a boolean"),
        (False, "must be a number, not a boolean"),
        ("100", "must be a number, not a string"),
        ([100], "must be a number, not a list"),
        ({}, "must be a number, not an object"),
        (1 + 0j, "must be a number, not complex"),
        (math.nan, "must be finite, not nan"),
        (math.inf, "must be finite, not inf"),
        (-math.inf, "must be finite, not -inf"),
        (0, "must be between"),
        (-0.0, "must be between"),
        (-5, "must be between"),
        (1e308, "must be between"),
        (10**400, "a 1329-bit integer"),
        (-(10**400), "a 1329-bit integer"),
    ],
)
def test_refuses_what_is_not_a_positive_number(field, value, reason):
    assert reason in refusal(field, value)


@pytest.mark.parametrize("field", MILLIS_FIELDS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [(0.5, "must be whole milliseconds"), (1.5, "must be whole milliseconds"), (MAX_MS + 1, "must be between")],
)
def test_refuses_milliseconds_that_are_fractional_or_beyond_a_week(field, value, reason):
    assert reason in refusal(field, value)


@pytest.mark.parametrize("field", MILLIS_FIELDS)
@pytest.mark.parametrize("value", [1, 300, 300.0, MAX_MS])
def test_milliseconds_become_integers(field, value):
    stored = getattr(SLO(**{field: value}), field)
    assert stored == value
    assert type(stored) is int


@pytest.mark.parametrize("value", [MIN_TPS, 0.5, 20, MAX_TPS])
def test_rates_become_floats_with_a_finite_pace(value):
    slo = SLO(min_tps=value)
    assert type(slo.min_tps) is float
    assert math.isfinite(slo.pace_ms)


@pytest.mark.parametrize("value", [5e-324, MIN_TPS / 2, MAX_TPS * 1.01])
def test_refuses_rates_whose_pace_is_no_use(value):
    assert "must be between" in refusal("min_tps", value)


@pytest.mark.parametrize("field", NAME_FIELDS)
@pytest.mark.parametrize(
    "value",
    ["", " ", ".dot-first", "-dash", "a b", "a/b", "a" * 65, "größe", "名前", "٣", "a\n", "a\r\nx: y", "a\0", "\ud800"],
)
def test_refuses_names_that_are_not_short_ascii_identifiers(field, value):
    assert "must be 1 to 64 letters" in refusal(field, value)


@pytest.mark.parametrize("field", NAME_FIELDS)
@pytest.mark.parametrize("value", [1, True, ["a"], b"a"])
def test_refuses_names_that_are_not_strings(field, value):
    assert "must be a string" in refusal(field, value)


@pytest.mark.parametrize("value", ["a", "A-1.b_2", "9", "x" * 64])
def test_accepts_identifiers(value):
    assert SLO(cls=value, tenant=value).to_dict() == {"class": value, "tenant": value}


@pytest.mark.parametrize("value", ["fp8", "INT4", "", 4, ["int4"], {"int4": 1}])
def test_refuses_unknown_kv_formats_and_lists_the_known(value):
    reason = refusal("kv", value)
    assert all(known in reason for known in KV_FORMATS)


def test_long_values_are_shortened_in_the_message():
    assert len(refusal("kv", "x" * 10_000)) < 200
