"""Agents as programs of the frontend: steps that call a model, with a tool's run between them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from benchmark.engine.client import SERVED_MODEL_NAME, Answer, EngineError
from benchmark.engine.workloads import Request, Urgency
from superinfer.lang.api import gen
from superinfer.lang.backends.http import HTTPBackend
from superinfer.lang.backends.openai import OpenAIBackend
from superinfer.lang.definition import function

STEP_TOKENS = 24
TOOL_S = 0.5
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent.

    Attributes:
        at_s: When it begins.
        tools: What all agents are told first.
        results: What it is told before each step: its task, and then what its tools say.
    """

    at_s: float
    tools: str
    results: Sequence[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a model: its prompt, and when it began and ended, in seconds of ``time.perf_counter``."""

    prompt: str
    sent_s: float
    last_token_s: float


@function
def think(s: Any, agent: Agent, promise: Any) -> list[Step]:
    """The program."""
    steps = []
    s += agent.tools
    for number, result in enumerate(agent.results):
        if number:
            time.sleep(TOOL_S)
        s += result
        prompt, name = s.text(), f"step {number}"
        sent_s = time.perf_counter()
        s += gen(name, max_tokens=STEP_TOKENS, temperature=0.0, ignore_eos=True, slo=promise)
        _ = s[name]  # waits
        steps.append(Step(prompt, sent_s, time.perf_counter()))
    return steps


async def run(agents: Sequence[Agent], backend: Any, promise: Any, tokenizer: Any, start_s: float) -> list[Answer]:
    """Start each agent in time, and wait for all; an answer for each step.

    Args:
        agents: The agents.
        backend: Where they call.
        promise: To each step; ``None`` where it is told otherwise.
        tokenizer: Of the model, to count prompt tokens.
        start_s: When the load begins.

    Raises:
        EngineError: A call failed, or an answer has another number of tokens than was asked for.
    """

    async def one(agent: Agent) -> list[Step]:
        await asyncio.sleep(start_s + agent.at_s - time.perf_counter())
        steps: list[Step] = (await think.arun(agent, promise, backend=backend)).ret_value
        return steps

    done = await asyncio.gather(*map(one, agents))
    for tokens in backend.answered_tokens:
        if tokens != STEP_TOKENS:
            raise EngineError(f"asked for {STEP_TOKENS} tokens, the engine reports {tokens}")
    return [_answer(step, tokenizer) for steps in done for step in steps]


def _answer(step: Step, tokenizer: Any) -> Answer:
    request = Request(tokenizer.encode(step.prompt), STEP_TOKENS, urgency=Urgency.AGENT)
    return Answer(request, step.sent_s, step.last_token_s, step.last_token_s)


class ServerBackend(HTTPBackend):
    """A server of SGLang's kind.

    Args:
        url: Where it is.
        fields: What goes into the body of each request.
    """

    def __init__(self, url: str, fields: Mapping[str, Any]) -> None:
        super().__init__(url, timeout_s=_TIMEOUT_S)
        self.answered_tokens: list[int | None] = []
        self._fields = fields

    async def generate(self, payload: dict[str, Any]) -> Any:
        """One call."""
        # The frontend adds what ends an answer in the model's chat template; here each has a fixed length.
        params = {**payload["sampling_params"], "stop": []}
        answer = await super().generate({**payload, **self._fields, "sampling_params": params})
        self.answered_tokens.append(answer["meta_info"].get("completion_tokens"))
        return answer


class _Told(httpx.HTTPTransport):
    """Adds fields to the body of each request: the frontend's backend for the API of OpenAI sends what is in there."""

    def __init__(self, fields: Mapping[str, Any], answered_tokens: list[int | None]) -> None:
        super().__init__()
        self._fields = fields
        self._answered_tokens = answered_tokens

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.read()) | self._fields | {"stop": None}
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        response = super().handle_request(httpx.Request(request.method, request.url, headers=headers, json=body))
        answer = response.read()
        if response.status_code == 200:
            self._answered_tokens.append(msgspec.json.decode(answer)["usage"]["completion_tokens"])
        return response


class CompletionsBackend(OpenAIBackend):
    """A server behind the API of OpenAI.

    Args:
        url: Where it is.
        fields: What goes into the body of each request.
    """

    def __init__(self, url: str, fields: Mapping[str, Any]) -> None:
        self.answered_tokens: list[int | None] = []
        told = _Told({**fields, "ignore_eos": True}, self.answered_tokens)
        client = httpx.Client(transport=told, timeout=_TIMEOUT_S)
        super().__init__(
            SERVED_MODEL_NAME, is_chat_model=False, base_url=f"{url}/v1", api_key="none", http_client=client
        )
