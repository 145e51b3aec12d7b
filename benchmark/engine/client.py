"""One client for every engine: streamed ``/v1/completions`` of prompts given as token ids."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from benchmark.engine.workloads import Request, Urgency

SERVED_MODEL_NAME = "benchmark"
_REQUEST_TIMEOUT_S = 600
_EVENT_PREFIX = b"data: "
_END = b"[DONE]"


class EngineError(RuntimeError):
    """An engine refused a request, or did not do the work that was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """When one request was sent and answered, in seconds of ``time.perf_counter``."""

    request: Request
    sent_s: float
    first_token_s: float
    last_token_s: float

    @property
    def ttft_s(self) -> float:
        """Time to first token."""
        return self.first_token_s - self.sent_s

    @property
    def e2e_s(self) -> float:
        """Time to last token."""
        return self.last_token_s - self.sent_s


class Client:
    """A connection pool to one engine; use it as an async context manager.

    Args:
        url: Where the engine listens.
        fields: What to add to the body of a request of each urgency: every engine has its own way to be told.

    Attributes:
        url: As given.
    """

    def __init__(self, url: str, fields: Mapping[Urgency, Mapping[str, Any]]) -> None:
        self.url = url
        self._fields = fields
        self._session = aiohttp.ClientSession(
            url,
            # A connection per request: a server that was frozen closes its idle ones when it goes on.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def run(self, requests: Sequence[Request], *, sequential: bool) -> list[Answer]:
        """Send each request at its time, or one after the other, and wait for all answers.

        A request that comes ``after`` another stands behind it in ``requests``.

        Raises:
            EngineError: An answer is an error or has another number of tokens than was asked for.
        """
        if sequential:
            return [await self._ask(request) for request in requests]
        start_s = time.perf_counter()
        tasks: dict[int, asyncio.Task[Answer]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for request in requests:
                    first = None if request.after is None else tasks[id(request.after)]
                    tasks[id(request)] = group.create_task(self._ask_in_time(request, start_s, first))
        except* EngineError as errors:
            raise errors.exceptions[0] from None
        return [tasks[id(request)].result() for request in requests]

    async def _ask_in_time(self, request: Request, start_s: float, first: asyncio.Task[Answer] | None) -> Answer:
        since_s = start_s if first is None else (await first).last_token_s
        await asyncio.sleep(since_s + request.at_s - time.perf_counter())
        return await self._ask(request)

    async def _ask(self, request: Request) -> Answer:
        body = {
            "model": SERVED_MODEL_NAME,
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._fields[request.urgency],
        }
        if request.slo is not None and "slo" in body:
            body["slo"] = {**body["slo"], **request.slo}
        sent_s = time.perf_counter()
        try:
            token_times_s, usage = await self._stream(body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineError(f"the connection failed: {error!r}") from error
        _check(request, token_times_s, usage)
        return Answer(request, sent_s, token_times_s[0], token_times_s[-1])

    async def _stream(self, body: Mapping[str, Any]) -> tuple[list[float], dict[str, Any]]:
        """When each event with tokens came, and the usage that the engine reports."""
        token_times_s: list[float] = []
        usage: dict[str, Any] = {}
        async with self._session.post("/v1/completions", json=body) as response:
            if response.status != 200:
                raise EngineError(f"HTTP {response.status}: {(await response.text())[:500]}")
            async for line in response.content:
                event = line.strip().removeprefix(_EVENT_PREFIX)
                if not event or event == _END:
                    continue
                chunk = msgspec.json.decode(event)
                if "error" in chunk:
                    raise EngineError(f"error in the stream: {chunk['error']}")
                if chunk["choices"]:
                    token_times_s.append(time.perf_counter())
                usage = chunk.get("usage") or usage
        return token_times_s, usage


def _check(request: Request, token_times_s: list[float], usage: Mapping[str, Any]) -> None:
    wanted = (len(request.prompt), request.max_tokens)
    found = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    if found != wanted or not token_times_s:
        raise EngineError(f"asked for (prompt, completion) tokens {wanted}, the engine reports {found}")
