"""Adds the promise and the outcome to responses: as headers, and as a ``slo`` field of OpenAI's objects."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from superinfer.srt.exchange import Exchange

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_DONE = b"data: [DONE]"
_GAP = b"\n\n"
"""Ends an event of a stream."""

_HEADER = "x-superinfer-"


def responder(path: str, exchange: Exchange, send: Send) -> Send:
    """A ``send`` that adds what ``exchange`` knows to the response of a generation route."""
    return _Responder(exchange, send, add_field=path.startswith("/v1/"))


class _Chunk(msgspec.Struct):
    """What an extra stream chunk must repeat from the ones before it."""

    id: str = ""
    object: str = ""
    created: int = 0
    model: str = ""


class _Responder:
    """The state of one response.

    JSON bodies come in one message; their start is held back until it is there, so that the headers can name the
    outcome. Streams start at once, and get one chunk more before the end.
    """

    def __init__(self, exchange: Exchange, send: Send, *, add_field: bool) -> None:
        self._exchange = exchange
        self._send = send
        self._add_field = add_field
        self._start: Message | None = None
        self._streaming = False
        self._sample = b""
        self._rest = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._on_start(message)
        elif message["type"] == "http.response.body" and self._streaming:
            await self._on_stream(message)
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._on_body(message)
        else:
            await self._send(message)

    async def _on_start(self, message: Message) -> None:
        content_type = _header(message, b"content-type")
        self._streaming = content_type.startswith(b"text/event-stream")
        if self._streaming or not content_type.startswith(b"application/json") or message["status"] != 200:
            _add_headers(message, promise_headers(self._exchange))
            await self._send(message)
        else:
            self._start = message

    async def _on_body(self, message: Message) -> None:
        start, self._start = self._start, None
        assert start is not None
        if not message.get("more_body", False):
            body = message.get("body", b"")
            verdict = self._exchange.verdict
            if self._add_field and verdict is not None and body.endswith(b"}"):
                body = body[:-1] + b',"slo":' + msgspec.json.encode(verdict) + b"}"
                message = {**message, "body": body}
            _set_header(start, b"content-length", str(len(body)).encode())
            _add_headers(start, outcome_headers(self._exchange))
        _add_headers(start, promise_headers(self._exchange))
        await self._send(start)
        await self._send(message)

    async def _on_stream(self, message: Message) -> None:
        if self._add_field:
            message = {**message, "body": self._with_chunk(message)}
        await self._send(message)

    def _with_chunk(self, message: Message) -> bytes:
        """The events that are whole by now, the extra one in front of the end; the start of the next is held back."""
        data = self._rest + message.get("body", b"")
        whole, gap, self._rest = data.rpartition(_GAP) if message.get("more_body", False) else (data, b"", b"")
        events = []
        for event in whole.split(_GAP):
            if not self._sample and event.startswith(b"data: {"):
                self._sample = event
            if event.startswith(_DONE) and self._exchange.verdict is not None:
                events.append(_chunk(self._sample, self._exchange.verdict))
            events.append(event)
        return _GAP.join(events) + gap


def promise_headers(exchange: Exchange) -> dict[str, str]:
    """What is known before the first token: the class and the targets."""
    if exchange.promised is None:
        return {}
    return {f"{_HEADER}slo-{_dashed(name)}": str(value) for name, value in exchange.promised.to_dict().items()}


def outcome_headers(exchange: Exchange) -> dict[str, str]:
    """What is known at the end; for a batch of prompts the body alone tells."""
    if len(exchange.reports) != 1:
        return {}
    names = ("ttft_ms", "mean_tpot_ms", "max_tpot_ms", "e2e_ms", "outcome")
    report = exchange.reports[0]
    return {f"{_HEADER}{_dashed(name)}": str(report[name]) for name in names if report[name] is not None}


def _chunk(sample: bytes, verdict: Any) -> bytes:
    known = msgspec.json.decode(sample.removeprefix(b"data: "), type=_Chunk) if sample else _Chunk()
    chunk = {**msgspec.structs.asdict(known), "choices": [], "slo": verdict}
    return b"data: " + msgspec.json.encode(chunk)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _header(message: Message, name: bytes) -> bytes:
    return next((value for key, value in message.get("headers", []) if key.lower() == name), b"")


def _set_header(message: Message, name: bytes, value: bytes) -> None:
    kept = [(key, old) for key, old in message.get("headers", []) if key.lower() != name]
    message["headers"] = [*kept, (name, value)]


def _add_headers(message: Message, headers: dict[str, str]) -> None:
    encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    message["headers"] = [*message.get("headers", []), *encoded]
