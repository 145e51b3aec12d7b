import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.slo import SLO, Carried, SLOError, read_headers, read_service_tier
from superinfer.slo.fields import MAX_MS
from unit.strategies import PRESET_NAMES

pytestmark = pytest.mark.unit

TARGETS = st.builds(SLO, cls=st.none() | PRESET_NAMES, tpot_ms=st.none() | st.integers(1, 9))


@pytest.mark.parametrize(
    ("headers", "slo"),
    [
        ({}, SLO()),
        ({"x-llm-d-slo-ttft-ms": "200"}, SLO(ttft_ms=200)),
        ({"x-slo-ttft-ms": "200"}, SLO(ttft_ms=200)),
        ({"x-llm-d-slo-tpot-ms": "20", "x-slo-ttft-ms": "200"}, SLO(ttft_ms=200, tpot_ms=20)),
        ({"x-llm-d-slo-ttft-ms": "1", "x-slo-ttft-ms": "2"}, SLO(ttft_ms=1)),
        ({"x-llm-d-slo-ttft-ms": "1", "x-slo-ttft-ms": "shadowed, so not read"}, SLO(ttft_ms=1)),
        ({"x-smg-priority": "bulk"}, SLO(cls="batch")),
        ({"x-smg-priority": " System "}, SLO(cls="interactive")),
        ({"x-smg-priority": "no such priority"}, SLO()),
        ({"x-smg-priority": "default", "x-slo-tpot-ms": "5"}, SLO(cls="standard", tpot_ms=5)),
    ],
)
def test_headers(headers, slo):
    assert read_headers(headers) == slo


@pytest.mark.parametrize("name", ["x-llm-d-slo-ttft-ms", "x-slo-ttft-ms", "x-llm-d-slo-tpot-ms", "x-slo-tpot-ms"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "1.0",
        "1e3",
        "1_000",
        "0x10",
        "nan",
        "0",
        str(MAX_MS + 1),
        "9" * 5000,
        "٣",
        "²",
        "1\n",
    ],
)
def test_malformed_headers_are_errors_that_name_the_header(name, text):
    with pytest.raises(SLOError) as caught:
        read_headers({name: text})
    assert caught.value.field == name
    assert len(str(caught.value)) < 200


@given(st.text() | st.integers(-5, MAX_MS * 2).map(str))
def test_every_header_text_parses_to_its_number_or_is_refused(text):
    try:
        slo = read_headers({"x-slo-ttft-ms": text})
    except SLOError:
        assert not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_MS)
    else:
        assert slo == SLO(ttft_ms=int(text))


@pytest.mark.parametrize(
    ("tier", "cls"),
    [
        (None, None),
        ("priority", "interactive"),
        ("default", "standard"),
        ("flex", "batch"),
        ("auto", None),
        ("?", None),
    ],
)
def test_service_tier(tier, cls):
    assert read_service_tier(tier) == SLO(cls=cls)


@pytest.mark.parametrize("tier", [1, True, ["flex"], {}])
def test_service_tier_that_is_no_string(tier):
    with pytest.raises(SLOError, match="service_tier: must be a string"):
        read_service_tier(tier)


@given(TARGETS, TARGETS, TARGETS, TARGETS)
def test_header_beats_body_beats_tier(header, body, params, tier):
    carried = Carried(header=header, body=body, tier=tier)
    for field in ("cls", "tpot_ms"):
        if None not in (getattr(body, field), getattr(params, field)) and getattr(body, field) != getattr(
            params, field
        ):
            with pytest.raises(SLOError, match="give one"):
                carried.combine(params)
            return
    combined = carried.combine(params)
    for field in ("cls", "tpot_ms"):
        given_values = [getattr(slo, field) for slo in (header, body, params, tier)]
        assert getattr(combined, field) == next((value for value in given_values if value is not None), None)


def test_two_values_for_one_field_in_the_body_are_a_conflict_even_under_a_header():
    carried = Carried(header=SLO(ttft_ms=1), body=SLO(ttft_ms=2))
    with pytest.raises(SLOError, match=r"slo.ttft_ms: is 2, but custom_params.slo.ttft_ms is 3: give one"):
        carried.combine(SLO(ttft_ms=3))


@pytest.mark.parametrize(
    ("carried", "params"),
    [
        (Carried(header=SLO(ttft_ms=9), body=SLO(deadline_ms=5)), SLO()),
        (Carried(header=SLO(ttft_ms=9)), SLO(deadline_ms=5)),
        (Carried(body=SLO(ttft_ms=9)), SLO(deadline_ms=5)),
    ],
)
def test_targets_of_two_carriers_may_not_contradict_each_other(carried, params):
    with pytest.raises(SLOError, match="before the first token is due") as caught:
        carried.combine(params)
    assert caught.value.field == "slo.deadline_ms"


def test_the_same_value_twice_in_the_body_is_no_conflict():
    assert Carried(body=SLO(ttft_ms=2)).combine(SLO(ttft_ms=2, tpot_ms=3)) == SLO(ttft_ms=2, tpot_ms=3)
