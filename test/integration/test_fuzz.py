"""Malformed SLOs against a live server: always a 4xx, never a hang, never a dead process."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.integration

FIELDS = ["ttft_ms", "tpot_ms", "deadline_ms"]
EXAMPLES = settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

not_a_number = st.one_of(
    st.booleans(), st.text(max_size=20), st.lists(st.integers(), max_size=3), st.dictionaries(st.text(), st.integers())
)
bad_milliseconds = st.one_of(
    not_a_number,
    st.integers(max_value=0),
    st.integers(min_value=7 * 24 * 3600 * 1000 + 1),
    st.floats(max_value=0),
    st.floats(min_value=0.01, max_value=100).filter(lambda x: x != int(x)),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e308]),
)
bad_rate = st.one_of(not_a_number, st.floats(max_value=0), st.sampled_from([float("nan"), float("inf"), 1e300]))
bad_name = st.one_of(
    st.integers(), st.lists(st.text(), max_size=2), st.text(max_size=80).filter(lambda s: not s.isascii() or " " in s)
)
unknown_key = st.text(max_size=40).filter(lambda k: k not in {*FIELDS, "class", "min_tps", "kv", "tenant"})
json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)
bad_field = st.one_of(
    st.tuples(st.sampled_from(FIELDS), bad_milliseconds),
    st.tuples(st.just("min_tps"), bad_rate),
    st.tuples(st.sampled_from(["class", "tenant"]), bad_name),
    st.tuples(st.just("kv"), st.text(max_size=10).filter(lambda s: s not in ("auto", "int4", "int8", "native"))),
    st.tuples(unknown_key, json_value),
)
good_fields = st.fixed_dictionaries({}, optional={"ttft_ms": st.integers(1, 1000), "tpot_ms": st.integers(1, 1000)})
bad_object = st.builds(lambda good, bad: {**good, bad[0]: bad[1]}, good_fields, bad_field)
not_an_object = st.one_of(st.integers(), st.booleans(), st.lists(json_value, max_size=3), st.just("no such class"))
deep = st.integers(min_value=10, max_value=20_000).map(lambda n: "[" * n + "]" * n)

ROUTES = ["/generate", "/v1/completions", "/v1/chat/completions"]


def body_of(route, slo_json, carrier, stream):
    """A request body as text: values such as NaN or a million brackets exist only there."""
    prompt = {"/generate": '"text":"x"', "/v1/completions": '"model":"m","prompt":"x"'}.get(
        route, '"model":"m","messages":[{"role":"user","content":"x"}]'
    )
    where = {"slo": f'"slo":{slo_json}', "params": f'"custom_params":{{"slo":{slo_json}}}'}[carrier]
    if carrier == "params" and route == "/generate":
        where = f'"sampling_params":{{{where}}}'
    return f'{{{prompt},"stream":{json.dumps(stream)},{where}}}'.encode()


@pytest.fixture(scope="module")
def client(overlap_server):
    with overlap_server.client() as client:
        yield client
        assert client.get("/health").status_code == 200
    assert overlap_server.alive()


@EXAMPLES
@given(
    slo=st.one_of(bad_object, not_an_object).map(json.dumps) | deep,
    route=st.sampled_from(ROUTES),
    carrier=st.sampled_from(["slo", "params"]),
    stream=st.booleans(),
)
def test_malformed_bodies(client, slo, route, carrier, stream):
    response = client.post(
        route, content=body_of(route, slo, carrier, stream), headers={"content-type": "application/json"}, timeout=20
    )
    assert 400 <= response.status_code < 500, response.text


header_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), min_size=1, max_size=30)
HEADERS = ["x-llm-d-slo-ttft-ms", "x-llm-d-slo-tpot-ms", "x-slo-ttft-ms", "x-slo-tpot-ms"]


@EXAMPLES
@given(
    name=st.sampled_from(HEADERS),
    value=st.one_of(
        header_text.filter(lambda s: not (s.isascii() and s.isdigit())),
        st.integers(max_value=0).map(str),
        st.integers(min_value=10**9).map(str),
        st.floats().map(str),
    ),
    route=st.sampled_from(ROUTES),
    stream=st.booleans(),
)
def test_malformed_headers(client, name, value, route, stream):
    headers = {"content-type": "application/json", name: value.encode("latin-1")}
    response = client.post(route, content=body_of(route, "{}", "slo", stream), headers=headers, timeout=20)
    assert 400 <= response.status_code < 500, response.text


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b"null", b'{"text":', b"[" * 100_000], ids=repr)
@pytest.mark.parametrize("route", ROUTES)
def test_bodies_that_are_no_request(client, route, body):
    response = client.post(route, content=body, headers={"content-type": "application/json"}, timeout=20)
    assert 400 <= response.status_code < 500
