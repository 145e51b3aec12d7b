import json

import pytest

from superinfer.slo import SLO, ClampRule, Principal, SLOClasses, SLOPolicy
from superinfer.srt.exchange import SCOPE_KEY
from superinfer.srt.http.middleware import GENERATION_PATHS, SLOMiddleware
from unit.http.asgi import SSE, Reply, receiver, request, response, scope

pytestmark = pytest.mark.unit

POLICY = SLOPolicy(SLOClasses())
PATHS = sorted(GENERATION_PATHS)


class App:
    """Reads a request to its end, then answers ``reply``."""

    def __init__(self, reply=()):
        self.reply = reply
        self.called = False

    async def __call__(self, scope, receive, send):
        self.called, self.scope, self.receive, self.send = True, scope, receive, send
        self.body = b""
        if scope["type"] == "http":
            await self.read(receive)
        for message in self.reply:
            await send(dict(message))

    async def read(self, receive):
        more = True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            self.body += message.get("body", b"")
            more = message.get("more_body", False)

    @property
    def exchange(self):
        return self.scope[SCOPE_KEY]


async def call(app, request_scope, *chunks, policy=POLICY):
    reply = Reply()
    await SLOMiddleware(app, policy)(request_scope, receiver(request(*chunks)), reply.send)
    return reply


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "chunks",
    [(b'{"prompt": "a"}',), (b'{"pro', b'mpt"', b': "\xc3', b'\xa4"}'), (b"", b'{"a":1}', b""), (b"",), (b"\xff{",)],
)
async def test_the_app_gets_the_body_byte_for_byte(path, chunks):
    app = App()
    await call(app, scope(path), *chunks)
    assert app.body == b"".join(chunks)


async def test_after_the_body_the_app_hears_of_a_disconnect():
    app = App()
    await call(app, scope("/generate"), b"{}")
    assert await app.receive() == {"type": "http.disconnect"}


async def test_a_client_that_leaves_while_sending_never_reaches_the_app():
    app, reply = App(), Reply()
    messages = request(b'{"prompt": ', b"lost")[:1]
    await SLOMiddleware(app, POLICY)(scope("/generate"), receiver(messages), reply.send)
    assert not app.called
    assert reply.messages == []


@pytest.mark.parametrize(
    "request_scope",
    [
        {"type": "lifespan"},
        scope("/v1/chat/completions", kind="websocket"),
        scope("/generate", method="GET", headers={"x-slo-ttft-ms": "junk"}),
        scope("/health", method="GET"),
    ],
)
async def test_what_generates_nothing_passes_as_it_is(request_scope):
    seen = []

    async def app(*args):
        seen.extend(args)

    receive, send = object(), object()
    await SLOMiddleware(app, POLICY)(request_scope, receive, send)
    assert all(ours is theirs for ours, theirs in zip(seen, (request_scope, receive, send), strict=True))
    assert SCOPE_KEY not in request_scope


async def test_other_routes_keep_their_body_and_response_and_get_the_headers_slo():
    app = App(response(b'{"a": 1}'))
    receive, reply = receiver(request(b'{"slo": "nonsense"}')), Reply()
    await SLOMiddleware(app, POLICY)(scope("/v1/responses", headers={"x-slo-ttft-ms": "5"}), receive, reply.send)
    assert app.receive is receive
    assert reply.messages == response(b'{"a": 1}')
    assert app.exchange.carried.header == SLO(ttft_ms=5)


async def test_settles_the_promise_from_all_carriers():
    app = App()
    headers = {"x-slo-tpot-ms": "7", "authorization": "Bearer k"}
    body = json.dumps({"slo": {"ttft_ms": 5}, "service_tier": "flex", "custom_params": {"slo": {"tenant": "t"}}})
    await call(app, scope("/v1/chat/completions", headers=headers), body.encode())
    assert app.exchange.promised == SLO(cls="batch", ttft_ms=5, tpot_ms=7, kv="int4", tenant="t")
    assert app.exchange.principal == Principal.from_authorization("Bearer k")


async def test_limits_apply():
    policy = SLOPolicy(SLOClasses(), (ClampRule(("batch",), tenant="t"),))
    app = App()
    await call(app, scope("/generate"), b'{"slo": {"class": "interactive", "tenant": "t"}}', policy=policy)
    assert app.exchange.promised.cls == "batch"


BAD_REQUESTS = [
    ({}, {"slo": {"ttft_ms": -1}}, "slo.ttft_ms"),
    ({}, {"slo": {"class": "gold"}}, "slo.class"),
    ({}, {"custom_params": {"slo": "gold"}}, "custom_params.slo.class"),
    ({"x-slo-ttft-ms": "9"}, {"slo": {"deadline_ms": 5}}, "slo.deadline_ms"),
    ({"x-slo-ttft-ms": "soon"}, {}, "x-slo-ttft-ms"),
    ({}, {"custom_params": {"slo": {"kv": "fp3"}}}, "custom_params.slo.kv"),
    ({}, {"custom_params": [1]}, "custom_params"),
    ({}, {"slo": {"ttft_ms": 1}, "custom_params": {"slo": {"ttft_ms": 2}}}, "slo.ttft_ms"),
]


def on_route(path, fields):
    """``custom_params`` where the route has them."""
    if path != "/generate" or "custom_params" not in fields:
        return fields
    rest = {name: value for name, value in fields.items() if name != "custom_params"}
    return rest | {"sampling_params": [{}, {"custom_params": fields["custom_params"]}]}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("headers", "fields", "field"), BAD_REQUESTS)
async def test_a_bad_slo_is_http_400_in_the_shape_of_the_route(path, stream, headers, fields, field):
    app = App()
    reply = await call(
        app, scope(path, headers=headers), json.dumps({**on_route(path, fields), "stream": stream}).encode()
    )
    assert not app.called
    assert (reply.status, reply.headers["content-type"]) == (400, "application/json")
    assert int(reply.headers["content-length"]) == len(reply.body)
    content = json.loads(reply.body)
    error = content["error"] if path == "/generate" else content
    assert (error["param"], error["code"]) == (field, 400)
    assert error["message"].startswith(f"{field}: ")


async def test_an_unreadable_key_is_http_400_too():
    reply = await call(App(), scope("/generate"), b'{"slo": {"\\ud800": 1}}')
    assert reply.status == 400
    assert json.loads(reply.body)["error"]["param"] == "slo.\\ud800"


@pytest.mark.parametrize("content_type", ["application/json", SSE])
async def test_the_response_carries_the_promise(content_type):
    app = App(response(b"{}", content_type=content_type))
    reply = await call(app, scope("/generate"), b'{"slo": {"class": "interactive", "tenant": "t"}}')
    promised = {name: value for name, value in reply.headers.items() if name.startswith("x-superinfer-slo-")}
    assert promised == {
        "x-superinfer-slo-class": "interactive",
        "x-superinfer-slo-ttft-ms": "1000",
        "x-superinfer-slo-tpot-ms": "100",
        "x-superinfer-slo-kv": "native",
        "x-superinfer-slo-tenant": "t",
    }


@pytest.mark.parametrize("name", ["class", "tenant", "kv"])
@pytest.mark.parametrize("value", ["a\r\nset-cookie: b=c", "a\nb", "a\rb", "a\0b", "a\u2028b", "ä"])
async def test_no_text_of_the_clients_can_break_out_of_a_header(name, value):
    app = App(response(b"{}"))
    reply = await call(app, scope("/generate"), json.dumps({"slo": {name: value}}).encode())
    assert reply.status == 400
    assert not app.called
    assert not any("\r" in text or "\n" in text for pair in reply.headers.items() for text in pair)
