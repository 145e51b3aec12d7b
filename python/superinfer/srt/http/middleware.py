"""ASGI middleware: checks SLOs before a request is admitted and adds outcomes to its response."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from superinfer.slo import Principal, SLOError, SLOPolicy, read_headers
from superinfer.srt.exchange import SCOPE_KEY, Exchange
from superinfer.srt.http.body import BodySLO, last_role
from superinfer.srt.http.errors import error_response
from superinfer.srt.http.outcome import responder
from superinfer.srt.http.refusal import Refuser
from superinfer.srt.promise import settle

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CHAT_PATH = "/v1/chat/completions"
GENERATION_PATHS = frozenset({"/generate", "/v1/completions", CHAT_PATH})
"""Routes whose body may carry an SLO. Headers are read on every POST, since other routes generate, too."""


class SLOMiddleware:
    """Settles the SLO of each generation request early.

    The tokenizer manager settles it again, and has the last word. Doing it here, too, is what makes a bad SLO
    an HTTP 400 for streaming requests, whose status line is sent before the manager sees them.
    """

    def __init__(self, app: App, policy: SLOPolicy, *, refuses: bool = False) -> None:
        """Wrap ``app``.

        Args:
            app: SGLang's routes.
            policy: The operator's classes and limits.
            refuses: Whether requests may be refused once their route has begun to answer.
        """
        self.app = app
        self.policy = policy
        self._refuses = refuses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT"):
            await self.app(scope, receive, send)
            return
        body = None
        if scope["path"] in GENERATION_PATHS:
            body = await _read_body(receive)
            if body is None:
                return
            receive = _replay(body, receive)
        try:
            exchange = self._open(scope, body)
        except SLOError as error:
            await error_response(error, native=scope["path"] == "/generate")(scope, receive, send)
            return
        scope[SCOPE_KEY] = exchange
        if body is not None:
            send = responder(scope["path"], exchange, send)
            if self._refuses:
                send = Refuser(exchange, send, native=scope["path"] == "/generate")
        await self.app(scope, receive, send)

    def _open(self, scope: Scope, body: bytes | None) -> Exchange:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parts = BodySLO(body or b"", read_headers(headers), native=scope["path"] == "/generate")
        exchange = Exchange(parts.carried, Principal.from_authorization(headers.get("authorization")))
        if body is not None and scope["path"] == CHAT_PATH:
            exchange.prompt_ends_with = last_role(body)
        promised = [settle(params, self.policy, exchange) for params in parts.custom_params or [None]]
        exchange.promised = promised[0] if len(promised) == 1 else None
        return exchange


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, or ``None`` if the client left before it was sent."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that delivers ``body`` once and then whatever comes next, such as a disconnect."""
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed
