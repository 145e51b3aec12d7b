"""Responses to requests that are refused after their route has begun to answer."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from superinfer.srt.exchange import Exchange
from superinfer.srt.http.errors import refusal_response

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Refuser:
    """A ``send`` that holds the status back until there is something to send, and answers 429 if that is a refusal.

    SGLang streams with status 200 before it knows anything; only what was not sent yet can still say otherwise.

    Args:
        exchange: Knows of the refusal.
        send: The next one.
        native: Whether the route is SGLang's own.
    """

    def __init__(self, exchange: Exchange, send: Send, *, native: bool) -> None:
        self._exchange = exchange
        self._send = send
        self._native = native
        self._start: Message | None = None
        self._refused = False

    async def __call__(self, message: Message) -> None:
        """Send a message of the route."""
        if self._refused:
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None and self._exchange.retry_after_s is not None:
            self._refused = True
            await self._refuse(self._exchange.retry_after_s)
            return
        if start is not None:
            await self._send(start)
        await self._send(message)

    async def _refuse(self, retry_after_s: int) -> None:
        response = refusal_response(retry_after_s, native=self._native)
        status = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        await self._send(status)
        await self._send({"type": "http.response.body", "body": response.body})
