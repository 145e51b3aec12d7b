from collections import UserDict
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.slo import SLO, SLOError, parse_lenient, parse_slo
from unit.strategies import ALMOST_SLO, JSON, slos

pytestmark = pytest.mark.unit


def test_a_string_names_a_class():
    assert parse_slo("batch") == SLO(cls="batch")


def test_an_slo_is_taken_as_it_is():
    slo = SLO(ttft_ms=1)
    assert parse_slo(slo) is slo


def test_null_fields_are_absent():
    assert parse_slo({"class": None, "ttft_ms": None}) == SLO()


@pytest.mark.parametrize("value", [None, True, 1, 1.5, [], [{"class": "batch"}], b"batch"])
def test_refuses_what_is_not_an_object(value):
    with pytest.raises(SLOError, match="must be an object") as caught:
        parse_slo(value)
    assert caught.value.field == "slo"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"ttft": 100}, "slo.ttft"),
        ({"cls": "batch"}, "slo.cls"),
        ({"class": 1}, "slo.class"),
        ({"ttft_ms": 0}, "slo.ttft_ms"),
        ({"ttft_ms": 2, "deadline_ms": 1}, "slo.deadline_ms"),
        ("", "slo.class"),
    ],
)
def test_errors_name_the_field_as_the_client_wrote_it(value, field):
    with pytest.raises(SLOError) as caught:
        parse_slo(value)
    assert caught.value.field == field
    with pytest.raises(SLOError) as caught:
        parse_slo(value, "custom_params.slo")
    assert caught.value.field == f"custom_params.{field}"


@pytest.mark.parametrize("key", ["\ud800", "x" * 10_000, "\ud800" * 64])
def test_errors_about_odd_keys_can_be_encoded_and_are_short(key):
    with pytest.raises(SLOError) as caught:
        parse_slo({key: 1})
    assert len(str(caught.value).encode()) < 1000


@given(JSON | ALMOST_SLO)
def test_any_json_parses_or_raises_slo_error(value):
    with suppress(SLOError):
        assert isinstance(parse_slo(value), SLO)


class Hostile(UserDict):
    def get(self, key, default=None):
        raise RuntimeError("no")


ARBITRARY = st.one_of(
    JSON,
    st.binary(),
    st.builds(object),
    st.dates(),
    st.complex_numbers(),
    st.dictionaries(st.integers() | st.binary() | st.none(), JSON, max_size=3),
    st.builds(Hostile),
    st.just({10**5000: 1}),
)


@given(ARBITRARY | ALMOST_SLO)
def test_lenient_parser_never_raises(value):
    assert isinstance(parse_lenient(value), SLO)
    assert isinstance(parse_lenient({"slo": value}), SLO)


@given(slos())
def test_lenient_parser_reads_what_the_edge_wrote(slo):
    assert parse_lenient({"slo": slo.to_dict(), "other": date.today()}) == slo


@pytest.mark.parametrize("value", [None, {}, {"slo": None}, {"slo": {"ttft_ms": -1}}, "batch", [1]])
def test_lenient_parser_reads_nonsense_as_no_slo(value):
    assert parse_lenient(value) == SLO()
