import json

import pytest

from superinfer.slo import SLOClasses, SLOPolicy
from superinfer.srt.exchange import SCOPE_KEY
from superinfer.srt.http.middleware import GENERATION_PATHS, SLOMiddleware
from unit.http.asgi import SSE, Reply, receiver, request, response, scope

pytestmark = pytest.mark.unit

PATHS = sorted(GENERATION_PATHS)
STREAM = response([b"data: one\n\n", b"data: two\n\n", b"data: [DONE]\n\n"], content_type=SSE)
WHOLE = response(b'{"object": "error"}', status=429)


async def call(path, messages, refused_before):
    """An app that sends ``messages``, and learns of the refusal before the one with this number."""

    async def app(scope, receive, send):
        for number, message in enumerate(messages):
            if number == refused_before:
                scope[SCOPE_KEY].retry_after_s = 7
            await send(dict(message))

    reply = Reply()
    middleware = SLOMiddleware(app, SLOPolicy(SLOClasses()), refuses=True)
    await middleware(scope(path), receiver(request(b"{}")), reply.send)
    return reply


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("messages", [STREAM, WHOLE], ids=["stream", "whole"])
async def test_a_refusal_is_status_429_with_retry_after_and_an_error_in_json(path, messages):
    reply = await call(path, messages, refused_before=1)
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    assert reply.headers["content-length"] == str(len(reply.body))
    error = json.loads(reply.body)
    error = error["error"] if path == "/generate" else error
    assert error["code"] == 429
    assert "try again in 7 s" in error["message"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_that_has_begun_goes_on(path):
    reply = await call(path, STREAM, refused_before=2)
    assert reply.status == 200
    assert reply.body == b"data: one\n\ndata: two\n\ndata: [DONE]\n\n"


async def test_others_are_answered_as_ever():
    reply = await call("/generate", STREAM, refused_before=None)
    assert reply.status == 200
    assert "retry-after" not in reply.headers
    assert reply.body.startswith(b"data: one")
