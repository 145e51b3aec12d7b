"""Chat that shares a system prompt, arriving at random, beside documents that arrive at random, too."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.engine.workloads import Request, Urgency, random_tokens

_SYSTEM_TOKENS = 150
_QUESTION_TOKENS = (20, 40, 90, 200)
_ANSWER_TOKENS = (16, 32, 48)
_DOCUMENT_TOKENS = 300
_SUMMARY_TOKENS = 80


@dataclass(frozen=True, slots=True)
class Targets:
    """What chat is promised; it is on time if both hold.

    Attributes:
        ttft_ms: Time to first token.
        tpot_ms: Mean time per further token.
    """

    ttft_ms: int = 1500
    tpot_ms: int = 150


@dataclass(frozen=True, slots=True)
class Load:
    """One load.

    Attributes:
        chat_per_s: Mean rate of chat requests (Poisson).
        documents_per_s: Mean rate of documents (Poisson), the first at once.
        seconds: How long requests arrive.
    """

    chat_per_s: float
    documents_per_s: float
    seconds: float

    def scaled(self, factor: float) -> "Load":
        """The same mix, ``factor`` times as fast."""
        return Load(self.chat_per_s * factor, self.documents_per_s * factor, self.seconds)

    def requests(self, seed: int) -> list[Request]:
        """All requests, the documents first."""
        return [*self._documents(seed), *self._chat(seed)]

    def _documents(self, seed: int) -> Iterator[Request]:
        draw = random_tokens(f"documents/{seed}")
        for at_s in [0.0, *self._arrivals(f"documents/{seed}", self.documents_per_s)]:
            yield Request(draw(_DOCUMENT_TOKENS), _SUMMARY_TOKENS, at_s=at_s, urgency=Urgency.BATCH)

    def _chat(self, seed: int) -> Iterator[Request]:
        draw, choose = random_tokens(f"chat/{seed}"), random.Random(f"chat/{seed}/lengths")
        system = draw(_SYSTEM_TOKENS)
        for at_s in self._arrivals(f"chat/{seed}", self.chat_per_s):
            question, answer = choose.choice(_QUESTION_TOKENS), choose.choice(_ANSWER_TOKENS)
            yield Request([*system, *draw(question)], answer, at_s=at_s, urgency=Urgency.CHAT)

    def _arrivals(self, seed: str, per_s: float) -> Iterator[float]:
        gaps, now_s = random.Random(f"{seed}/arrivals"), 0.0
        while per_s > 0 and (now_s := now_s + gaps.expovariate(per_s)) < self.seconds:
            yield now_s
