"""One load on one server: chat and documents as requests, agents as programs."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from benchmark.engine.client import Answer
from benchmark.engine.servers import Server
from benchmark.engine.workloads import Urgency
from benchmark.mixed.agents import CompletionsBackend, ServerBackend, run
from benchmark.mixed.loads import Load
from superinfer.models import ensure_default_model

OPENAI_ONLY = frozenset({"vllm", "vllm-fcfs"})
"""Systems that agents reach through the API of OpenAI; the others have SGLang's."""


async def serve(server: Server, url: str, load: Load, seed: int, words: str = "") -> list[Answer]:
    """All answers; ``seed`` and ``words`` as in :meth:`Load.requests`.

    Raises:
        EngineError: A request failed, or an answer has another number of tokens than was asked for.
    """
    agents, fields = load.agents(seed, words), dict(server.engine.fields[Urgency.AGENT])
    promise = fields.pop("slo", None)
    tokenizer = await asyncio.to_thread(_tokenizer)
    with _backend(server.engine.name, url, fields) as backend:
        start_s = time.perf_counter()
        requests = server.client.run(load.requests(seed, words), sequential=False)
        programs = run(agents, backend, promise, tokenizer, start_s)
        answers, steps = await asyncio.gather(requests, programs)
    return [*answers, *steps]


@contextmanager
def _backend(name: str, url: str, fields: dict[str, Any]) -> Iterator[Any]:
    if name in OPENAI_ONLY:
        yield CompletionsBackend(url, fields)
        return
    with ServerBackend(url, fields) as backend:
        yield backend


@cache
def _tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(ensure_default_model()))
