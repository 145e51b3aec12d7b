import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.slo import SLO, Carried, SLOError
from superinfer.srt.http.body import BodySLO, last_role
from unit.strategies import ALMOST_SLO, JSON

pytestmark = pytest.mark.unit

DEEP = 100_000


def carried(body):
    return BodySLO(body, SLO(), native=True).carried


def encode(**fields):
    return json.dumps({"prompt": "hello", **fields}).encode()


def test_reads_the_slo_the_tier_and_the_header():
    parts = BodySLO(encode(slo={"ttft_ms": 5}, service_tier="flex"), SLO(tpot_ms=7), native=False)
    assert parts.carried == Carried(header=SLO(tpot_ms=7), body=SLO(ttft_ms=5), tier=SLO(cls="batch"))


@pytest.mark.parametrize("fields", [{}, {"slo": None, "service_tier": None, "sampling_params": None}])
def test_a_body_without_slo(fields):
    parts = BodySLO(encode(**fields), SLO(), native=True)
    assert parts.carried == Carried()
    assert parts.custom_params == []


@pytest.mark.parametrize(
    ("fields", "custom_params"),
    [
        ({"custom_params": {"slo": "batch"}}, []),
        ({"sampling_params": {"custom_params": {"slo": "batch"}}}, [{"slo": "batch"}]),
        ({"sampling_params": [{"custom_params": 1}, {}, {"custom_params": {"a": 2}}]}, [1, None, {"a": 2}]),
        ({"sampling_params": [1, None, "x"]}, []),
        ({"sampling_params": "nonsense"}, []),
        ({"sampling_params": {}}, [None]),
    ],
)
def test_collects_the_custom_params_of_native_bodies(fields, custom_params):
    assert BodySLO(encode(**fields), SLO(), native=True).custom_params == custom_params


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"slo": {"ttft_ms": NaN}}', "slo.ttft_ms"),
        ('{"slo": {"min_tps": Infinity}}', "slo.min_tps"),
        ('{"slo": {"ttft_ms": 1e999}}', "slo.ttft_ms"),
        ('{"slo": {"ttft_ms": %s}}' % ("9" * 400), "slo.ttft_ms"),
        ('{"slo": {"min_tps": %s}}' % ("9" * 400), "slo.min_tps"),
        ('{"slo": {"ttft_ms": %s}}' % ("9" * 5000), "body"),
        ('{"slo": {"ttft_ms": 1, "ttft_ms": "last"}}', "slo.ttft_ms"),
        ('{"slo": {"\\ud800": 1}}', "slo.\\ud800"),
        ('{"slo": []}', "slo"),
        ('{"slo": 1}', "slo"),
        ('{"service_tier": 1}', "service_tier"),
        ('{"service_tier": ["flex"]}', "service_tier"),
    ],
)
def test_what_is_wrong_with_an_slo_is_named(text, field):
    with pytest.raises(SLOError) as caught:
        carried(text.encode())
    assert caught.value.field == field
    str(caught.value).encode()


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        "[" * DEEP + "]" * DEEP,
        '{"slo": ' + "[" * DEEP + "]" * DEEP + "}",
        '{"slo": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
        '{"prompt": ' + "[" * DEEP + "]" * DEEP + ', "slo": "batch"}',
    ],
)
def test_nesting_beyond_any_reader_is_an_error(text):
    with pytest.raises(SLOError, match="body: is not JSON that can be read"):
        carried(text.encode())


def test_of_two_equal_keys_the_last_counts_as_in_every_json_reader():
    text = '{"slo": "interactive", "slo": "batch"}'
    assert carried(text.encode()).body == SLO(cls=json.loads(text)["slo"])


def test_a_number_no_reader_takes_elsewhere_in_the_body_does_not_hide_the_slo():
    assert carried(b'{"temperature": NaN, "slo": "batch"}').body == SLO(cls="batch")


@pytest.mark.parametrize("body", [b"", b"{", b'{"slo": }', b"\xff", b'{"slo": "\xff"}', b"slo=batch"])
def test_what_is_no_json_is_left_to_sglang(body):
    parts = BodySLO(body, SLO(), native=True)
    assert (parts.carried, parts.custom_params) == (Carried(), [])


@pytest.mark.parametrize("body", [b"null", b"1", b'"batch"', b'[{"slo": 1}]', b"NaN"])
def test_json_that_is_no_object_is_an_error(body):
    with pytest.raises(SLOError, match="body: must be a JSON object"):
        carried(body)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_reads_the_encodings_that_sglangs_reader_detects(encoding):
    assert carried('{"slo": "batch"}'.encode(encoding)).body == SLO(cls="batch")


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
def test_any_bytes_are_read_or_refused(body):
    with suppress(SLOError):
        carried(body)


@given(st.fixed_dictionaries({}, optional={"slo": ALMOST_SLO | JSON, "service_tier": JSON, "sampling_params": JSON}))
def test_any_json_object_is_read_or_refused(fields):
    with suppress(SLOError):
        carried(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("fields", "role"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": [{"text": "b"}]}]}, "tool"),
        ({"messages": []}, None),
        ({"messages": [{"content": "a"}]}, None),
        ({"messages": [{"role": 5}]}, None),
        ({"messages": "hello"}, None),
        ({}, None),
    ],
)
def test_whose_message_is_the_last_of_a_chat(fields, role):
    assert last_role(encode(**fields)) == role


def test_the_last_role_of_what_cannot_be_read():
    assert last_role(b"{") is None
    assert last_role(b'{"messages": ' + b"[" * DEEP) is None
