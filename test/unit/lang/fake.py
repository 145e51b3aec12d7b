"""A server in memory and a clock by hand: what programs send can be read, and takes as long as the test says."""

import asyncio
from collections.abc import Callable
from typing import Any

from superinfer.lang.backends.base import ServerBackend
from superinfer.lang.backends.loop import LoopThread
from superinfer.slo import parse_slo

MS = 1_000_000


class Clock:
    """Monotonic ns that pass when the test says so."""

    def __init__(self) -> None:
        self.now_ns = 5 * MS

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, ms: float) -> None:
        self.now_ns += round(ms * MS)


def echo(payload: dict[str, Any]) -> str:
    """Three words, so that streams have chunks, with a number that tells prompts apart."""
    return f" answer of {len(payload['text'])}"


class FakeServer(ServerBackend):
    """Answers at once, or when ``gate`` opens.

    Args:
        clock: Advanced by ``takes_ms`` for every request.
        answer: From payload to text; may raise.
    """

    def __init__(
        self, clock: Clock | None = None, answer: Callable[[dict[str, Any]], str] = echo, takes_ms: float = 0
    ) -> None:
        super().__init__(LoopThread())
        self.clock = clock or Clock()
        self.answer = answer
        self.takes_ms = takes_ms
        self.favourite = ""
        self.payloads: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []
        self.gate: asyncio.Event | None = None
        self.in_flight = 0
        self.most_in_flight = 0
        self.flushed = 0
        self.hints: list[dict[str, Any]] = []

    @property
    def model_path(self) -> str:
        return "fake/model"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Requests for new tokens, without those that only fill the cache."""
        return [payload for payload in self.payloads if payload["sampling_params"]["max_new_tokens"]]

    @property
    def slos(self) -> list[dict[str, Any] | None]:
        """The SLO that came with each call."""
        return [slo_of(payload) for payload in self.calls]

    async def generate(self, payload: dict[str, Any]) -> Any:
        async with self._received(payload):
            if isinstance(payload.get("text"), list) or "input_ids" in payload:
                return self._scores(payload)
            if payload["sampling_params"].get("n", 1) > 1:
                return [self._answer(payload, f"{i}") for i in range(payload["sampling_params"]["n"])]
            return self._answer(payload)

    async def stream(self, payload: dict[str, Any]) -> Any:
        async with self._received(payload):
            words = self._answer(payload)["text"].split(" ")
            for count in range(2, len(words) + 1):
                yield {"text": " ".join(words[:count]), "meta_info": self._meta(payload)}

    async def hint(self, request_id: str, said: dict[str, Any]) -> None:
        self.hints.append({"id": request_id, **said})

    def flush_cache(self) -> bool:
        self.flushed += 1
        return True

    def get_server_info(self) -> dict[str, Any]:
        return {"fake": True}

    def start_profile(self) -> None:
        self.payloads.append({"profile": True})

    def stop_profile(self) -> None:
        self.payloads.append({"profile": False})

    def open_gate(self) -> None:
        self.loop.loop.call_soon_threadsafe(self.gate.set)

    def _received(self, payload: dict[str, Any]) -> "_InFlight":
        return _InFlight(self, payload)

    def _answer(self, payload: dict[str, Any], suffix: str = "") -> dict[str, Any]:
        is_prefill = payload["sampling_params"]["max_new_tokens"] == 0
        return {"text": "" if is_prefill else self.answer(payload) + suffix, "meta_info": self._meta(payload)}

    def _meta(self, payload: dict[str, Any]) -> dict[str, Any]:
        slo = slo_of(payload)
        met = slo is None or self.takes_ms <= slo.get("deadline_ms", self.takes_ms)
        report = {"class": parse_slo(slo).cls, "outcome": "met" if met else "missed"} if slo else None
        return {
            "id": f"request {len(self.payloads)}",
            "prompt_tokens": len(payload.get("text", "")),
            "cached_tokens": 3,
            "slo": report,
        }

    def _scores(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """One scored token per choice: likely for the favourite."""
        return [
            {
                "text": "",
                "meta_info": {
                    **self._meta({**payload, "text": str(text)}),
                    "input_token_logprobs": [
                        (-9.0, 7, "\0"),
                        (-0.1 if str(text).endswith(self.favourite) else -5.0, 8, "x"),
                    ],
                    "output_token_logprobs": [],
                },
            }
            for text in payload.get("text") or payload["input_ids"]
        ]


class _InFlight:
    def __init__(self, server: FakeServer, payload: dict[str, Any]) -> None:
        self.server = server
        self.payload = payload

    async def __aenter__(self) -> None:
        self.server.payloads.append(self.payload)
        self.server.in_flight += 1
        self.server.most_in_flight = max(self.server.most_in_flight, self.server.in_flight)
        if self.server.gate is not None:
            try:
                await self.server.gate.wait()
            except asyncio.CancelledError:
                self.server.in_flight -= 1
                self.server.dropped.append(self.payload)
                raise
        self.server.clock.advance(self.server.takes_ms)

    async def __aexit__(self, *exc_info: object) -> None:
        self.server.in_flight -= 1


def slo_of(payload: dict[str, Any]) -> dict[str, Any] | None:
    return payload["sampling_params"].get("custom_params", {}).get("slo")
