"""What is asked of the engines. The same seed makes the same requests, on every machine."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

# Ids that every vocabulary of interest has, clear of the special tokens at its start.
_FIRST_TOKEN, _LAST_TOKEN = 1_000, 30_000
_TAIL_TOKENS = 16


class Urgency(Enum):
    """How an engine is told what a request is worth."""

    PLAIN = "plain"
    CHAT = "chat"
    AGENT = "agent"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Request:
    """One completion of exactly ``max_tokens`` tokens.

    Attributes:
        prompt: Token ids.
        max_tokens: Length of the answer.
        at_s: When it is sent: seconds after the workload starts, or after ``after`` was answered.
        urgency: What it is worth.
        after: The request whose answer comes first: the turn before, or the step before.
        slo: Fields of its promise beside those of its urgency, where an engine is told of promises.
    """

    prompt: Sequence[int]
    max_tokens: int
    at_s: float = 0.0
    urgency: Urgency = Urgency.PLAIN
    after: "Request | None" = None
    slo: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Decode:
    """Requests with short prompts, all at once.

    Attributes:
        concurrency: How many.
        new_tokens: Tokens that each of them generates.
    """

    concurrency: int
    new_tokens: int = 64
    prompt_tokens = 16
    sequential = False

    @property
    def name(self) -> str:
        """Key of this workload in reports."""
        return f"decode_{self.concurrency}"

    def prepare(self, seed: str) -> list[Request]:
        """Nothing has to be in the cache."""
        return []

    def requests(self, seed: str) -> list[Request]:
        """Distinct prompts."""
        draw = random_tokens(f"{self.name}/{seed}")
        return [Request(draw(self.prompt_tokens), self.new_tokens) for _ in range(self.concurrency)]


@dataclass(frozen=True, slots=True)
class Prefill:
    """Prompts one after the other, with one token generated each.

    Attributes:
        prompt_tokens: Length of each prompt.
        count: How many prompts.
        cached: All but the last 16 tokens of each prompt are in the engine's prefix cache.
    """

    prompt_tokens: int
    count: int = 4
    cached: bool = False
    sequential = True

    @property
    def name(self) -> str:
        """Key of this workload in reports."""
        return f"{'cached_' if self.cached else ''}prefill_{self.prompt_tokens}"

    @property
    def cached_tokens(self) -> int:
        """How many of a prompt's tokens are in the cache."""
        return self.prompt_tokens - _TAIL_TOKENS if self.cached else 0

    def prepare(self, seed: str) -> list[Request]:
        """Twice the prefix with other tails, so that its end is a node of a radix tree: it was shared before."""
        return self._sharing_prefix(seed, "prepare", 2) if self.cached else []

    def requests(self, seed: str) -> list[Request]:
        """Distinct prompts, or distinct tails of one prefix."""
        if self.cached:
            return self._sharing_prefix(seed, "measure", self.count)
        draw = random_tokens(f"{self.name}/{seed}")
        return [Request(draw(self.prompt_tokens), max_tokens=1) for _ in range(self.count)]

    def _sharing_prefix(self, seed: str, phase: str, count: int) -> list[Request]:
        prefix = random_tokens(f"{self.name}/{seed}")(self.cached_tokens)
        tail = random_tokens(f"{self.name}/{seed}/{phase}")
        return [Request(prefix + tail(_TAIL_TOKENS), max_tokens=1) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Chat arriving at random beside a batch job that is sent at once.

    It arrives faster than any engine serves it, so that the total is the engine's and not the arrivals'.

    Attributes:
        batch: Requests of 310 prompt tokens and 64 new ones.
        chat: Requests of 40 prompt tokens and 32 new ones.
        chat_per_s: Mean rate of the chat's Poisson arrivals.
    """

    batch: int = 12
    chat: int = 40
    chat_per_s: float = 12.0
    name = "mixed"
    sequential = False

    def prepare(self, seed: str) -> list[Request]:
        """Nothing has to be in the cache."""
        return []

    def requests(self, seed: str) -> list[Request]:
        """The batch first, then the chat in order of arrival."""
        draw = random_tokens(f"{self.name}/{seed}")
        requests = [Request(draw(310), 64, urgency=Urgency.BATCH) for _ in range(self.batch)]
        gaps = random.Random(f"{self.name}/{seed}/arrivals")
        now_s = 0.0
        for _ in range(self.chat):
            now_s += gaps.expovariate(self.chat_per_s)
            requests.append(Request(draw(40), 32, at_s=now_s, urgency=Urgency.CHAT))
        return requests


Workload = Decode | Prefill | Mixed


def random_tokens(seed: str) -> Callable[[int], list[int]]:
    """A source of random token ids: so many at a call."""
    draw = random.Random(seed)
    return lambda count: [draw.randint(_FIRST_TOKEN, _LAST_TOKEN) for _ in range(count)]
