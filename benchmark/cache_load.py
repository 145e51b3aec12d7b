"""Conversations and agents whose prompts come back, beside documents that do not: more of it than memory holds."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.engine.workloads import Request, Urgency, random_tokens

_SYSTEM_TOKENS, _TOOLS_TOKENS = 160, 320
_QUESTION_TOKENS, _ANSWER_TOKENS = (24, 48, 96), (12, 20, 28)
_READING_S = (2.0, 4.0, 8.0)
_TURNS = (1, 2, 6, 10)
_STEPS, _STEP_TOKENS, _RESULT_TOKENS = 5, 12, 80
_TOOL_S = (0.5, 1.0, 3.0)
_DOCUMENT_TOKENS, _SUMMARY_TOKENS = (300, 500, 700), 4


@dataclass(frozen=True, slots=True)
class CacheLoad:
    """One load; everything follows from a seed.

    Attributes:
        chats_per_s: Mean rate at which conversations begin (Poisson).
        agents_per_s: Of agents, which share their tools.
        documents_per_s: Of documents, each read once.
        seconds: How long they begin, and go on: what would be asked later is not, as far as pauses alone tell.
    """

    chats_per_s: float
    agents_per_s: float
    documents_per_s: float
    seconds: float

    def requests(self, seed: int) -> list[Request]:
        """All requests, each behind the one that it waits for."""
        return [*self._documents(seed), *self._chats(seed), *self._agents(seed)]

    def _documents(self, seed: int) -> Iterator[Request]:
        draw, choose = random_tokens(f"scan/{seed}"), random.Random(f"scan/{seed}/lengths")
        for at_s in self._arrivals(f"scan/{seed}", self.documents_per_s):
            tokens = draw(choose.choice(_DOCUMENT_TOKENS))
            yield Request(tokens, _SUMMARY_TOKENS, at_s=at_s, urgency=Urgency.BATCH)

    def _chats(self, seed: int) -> Iterator[Request]:
        draw, choose = random_tokens(f"talk/{seed}"), random.Random(f"talk/{seed}/lengths")
        system = random_tokens("talk/system")(_SYSTEM_TOKENS)
        for at_s in self._arrivals(f"talk/{seed}", self.chats_per_s):
            said, before, asked_s = system, None, 0.0
            for _ in range(choose.choice(_TURNS)):
                said = [*said, *draw(choose.choice(_QUESTION_TOKENS))]
                answer = choose.choice(_ANSWER_TOKENS)
                pause_s = at_s if before is None else choose.choice(_READING_S)
                asked_s += pause_s
                if asked_s >= self.seconds:
                    break
                before = Request(said, answer, pause_s, Urgency.CHAT, before)
                yield before
                said = [*said, *draw(answer)]

    def _agents(self, seed: int) -> Iterator[Request]:
        draw, choose = random_tokens(f"steps/{seed}"), random.Random(f"steps/{seed}/lengths")
        tools = random_tokens("steps/tools")(_TOOLS_TOKENS)
        for at_s in self._arrivals(f"steps/{seed}", self.agents_per_s):
            said, before, asked_s = tools, None, 0.0
            for _ in range(_STEPS):
                said = [*said, *draw(_RESULT_TOKENS)]
                pause_s = at_s if before is None else choose.choice(_TOOL_S)
                asked_s += pause_s
                if asked_s >= self.seconds:
                    break
                before = Request(said, _STEP_TOKENS, pause_s, Urgency.AGENT, before)
                yield before
                said = [*said, *draw(_STEP_TOKENS)]

    def _arrivals(self, seed: str, per_s: float) -> Iterator[float]:
        gaps, now_s = random.Random(f"{seed}/arrivals"), 0.0
        while per_s > 0 and (now_s := now_s + gaps.expovariate(per_s)) < self.seconds:
            yield now_s


def working_set(requests: Sequence[Request]) -> int:
    """Different tokens of all prompts: what memory would have to hold to compute nothing twice."""
    known: set[int] = set()
    for request in requests:
        state = 0
        for token in request.prompt:
            state = hash((state, token))
            known.add(state)
    return len(known)
