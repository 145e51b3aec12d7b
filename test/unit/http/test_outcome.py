import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.slo import SLO, Outcome, Timeline
from superinfer.srt.exchange import Exchange
from superinfer.srt.http.outcome import responder
from unit.http.asgi import SSE, Reply, response

pytestmark = pytest.mark.unit

PROMISED = SLO(cls="interactive", ttft_ms=100)
PROMISE_HEADERS = {"x-superinfer-slo-class": "interactive", "x-superinfer-slo-ttft-ms": "100"}
OUTCOME_HEADERS = {
    "x-superinfer-ttft-ms": "80.0",
    "x-superinfer-mean-tpot-ms": "20.0",
    "x-superinfer-max-tpot-ms": "20.0",
    "x-superinfer-e2e-ms": "100.0",
    "x-superinfer-outcome": "met",
}
OPENAI_PATHS = ["/v1/completions", "/v1/chat/completions"]
FIRST = {
    "id": "r1",
    "object": "text_completion",
    "created": 17,
    "model": "m",
    "choices": [{"text": "data: [DONE]\n\n"}],
}
DONE = b"data: [DONE]\n\n"


def report():
    line = Timeline(0)
    line.record(1, 80_000)
    line.record(2, 100_000)
    return Outcome.of(PROMISED, line).to_dict()


def event(data):
    return b"data: " + json.dumps(data).encode() + b"\n\n"


async def respond(messages, *, path="/v1/completions", reports=1):
    """Send ``messages`` the way an app does, with the verdict known by the time the body comes."""
    exchange, reply = Exchange(promised=PROMISED), Reply()
    send = responder(path, exchange, reply.send)
    for message in messages:
        if message["type"] == "http.response.body":
            exchange.reports = [report() for _ in range(reports)]
        await send(dict(message))
    return reply


def ours(reply):
    return {name: value for name, value in reply.headers.items() if name.startswith("x-superinfer-")}


def extra_event(**fields):
    data = {**FIRST, **fields, "choices": [], "slo": report()}
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


class TestJSON:
    @pytest.mark.parametrize("path", OPENAI_PATHS)
    async def test_gets_the_outcome_as_a_field_and_as_headers(self, path):
        reply = await respond(response(json.dumps(FIRST).encode()), path=path)
        assert json.loads(reply.body) == {**FIRST, "slo": report()}
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert ours(reply) == PROMISE_HEADERS | OUTCOME_HEADERS

    async def test_of_the_native_route_gets_headers_only(self):
        reply = await respond(response(b'{"text": "a"}'), path="/generate")
        assert reply.body == b'{"text": "a"}'
        assert ours(reply) == PROMISE_HEADERS | OUTCOME_HEADERS

    async def test_of_a_batch_gets_a_list_and_no_outcome_headers(self):
        reply = await respond(response(json.dumps(FIRST).encode()), reports=2)
        assert json.loads(reply.body)["slo"] == [report(), report()]
        assert ours(reply) == PROMISE_HEADERS

    async def test_without_a_verdict_stays_as_it_is(self):
        reply = await respond(response(b'{"a": 1}'), reports=0)
        assert (reply.body, reply.headers["content-length"]) == (b'{"a": 1}', "8")

    async def test_in_several_messages_stays_as_it_is(self):
        pieces = [b'{"a":', b"1", b"}"]
        reply = await respond(response(pieces))
        assert [message["body"] for message in reply.messages[1:]] == pieces
        assert "content-length" not in reply.headers

    async def test_a_length_under_another_spelling_is_replaced_not_doubled(self):
        start, body = response(b'{"a": 1}')
        start["headers"] = [(b"content-type", b"application/json"), (b"Content-Length", b"8")]
        reply = await respond([start, body])
        lengths = [value for name, value in reply.headers.items() if name.lower() == "content-length"]
        assert lengths == [str(len(reply.body))]

    async def test_that_is_no_object_stays_as_it_is(self):
        assert (await respond(response(b"[1]"))).body == b"[1]"


@pytest.mark.parametrize("path", [*OPENAI_PATHS, "/generate"])
@pytest.mark.parametrize(
    "messages",
    [
        response(b'{"message": "no"}', status=400),
        response(b'{"message": "oops"}', status=500),
        response(b"plain}", content_type="text/plain"),
        response(b"\x00}", content_type="application/octet-stream"),
    ],
)
async def test_errors_and_other_bodies_get_the_promise_headers_and_nothing_else(path, messages):
    reply = await respond(messages, path=path)
    assert ours(reply) == PROMISE_HEADERS
    assert reply.messages[1:] == messages[1:]
    assert {**reply.messages[0], "headers": reply.messages[0]["headers"][:2]} == messages[0]


class TestStream:
    STREAM = event(FIRST) + event({**FIRST, "choices": [{"text": "ä\u2028"}]}) + DONE

    @pytest.mark.parametrize(
        "pieces",
        [
            [event(FIRST), DONE, b""],
            [event(FIRST) + DONE, b""],
            [event(FIRST) + DONE],
            [event(FIRST)[:-1], b"\n" + DONE[:8], DONE[8:], b""],
            [event(FIRST), DONE[:-2]],
        ],
    )
    async def test_gets_one_chunk_more_before_the_end(self, pieces):
        reply = await respond(response(pieces, content_type=SSE))
        assert reply.body.removesuffix(b"\n\n") == event(FIRST) + extra_event() + DONE.removesuffix(b"\n\n")
        assert ours(reply) == PROMISE_HEADERS

    @given(st.lists(st.integers(0, len(STREAM)), max_size=6).map(sorted))
    async def test_does_not_depend_on_how_it_is_cut_into_messages(self, cuts):
        pieces = [self.STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(self.STREAM)], strict=True)]
        reply = await respond(response(pieces, content_type=SSE))
        assert reply.body == self.STREAM.removesuffix(DONE) + extra_event() + DONE

    async def test_whole_events_are_passed_on_at_once(self):
        reply = await respond(response([event(FIRST), event(FIRST), DONE], content_type=SSE))
        assert [message["body"] for message in reply.messages[1:3]] == [event(FIRST), event(FIRST)]

    async def test_of_the_native_route_stays_as_it_is(self):
        messages = response([event(FIRST) + DONE[:5], DONE[5:]], content_type=SSE)
        reply = await respond(messages, path="/generate")
        assert reply.messages[1:] == messages[1:]

    async def test_without_a_verdict_stays_as_it_is(self):
        reply = await respond(response([self.STREAM[:30], self.STREAM[30:]], content_type=SSE), reports=0)
        assert reply.body == self.STREAM

    async def test_without_an_end_stays_as_it_is(self):
        reply = await respond(response([event(FIRST), b'data: {"cut'], content_type=SSE))
        assert reply.body == event(FIRST) + b'data: {"cut'

    async def test_that_ends_before_its_first_chunk_still_tells_the_outcome(self):
        reply = await respond(response([DONE, b""], content_type=SSE))
        assert reply.body == extra_event(id="", object="", created=0, model="") + DONE


async def test_nothing_promised_is_no_header():
    reply = Reply()
    send = responder("/generate", Exchange(), reply.send)
    for message in response(b'{"a": 1}'):
        await send(message)
    assert reply.messages == response(b'{"a": 1}')


async def test_other_messages_pass():
    reply = Reply()
    await responder("/generate", Exchange(), reply.send)({"type": "http.response.trailers"})
    assert reply.messages == [{"type": "http.response.trailers"}]
