"""Conversations and agents whose prompts come back, beside documents that do not: more of it than memory holds."""

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from benchmark.engine.workloads import Request, Urgency, random_tokens

_SYSTEM_TOKENS, _TOOLS_TOKENS = 160, 320
_PASTED_TOKENS = (0, 300, 600, 900)
_QUESTION_TOKENS, _ANSWER_TOKENS = (24, 48, 96), (12, 20, 28)
_READING_S = (8.0, 15.0, 30.0, 60.0)
_TURNS = (1, 3, 6, 10)
_STEPS, _STEP_TOKENS, _RESULT_TOKENS = 8, 12, 120
_TOOL_S = (0.5, 1.0, 3.0, 12.0)
_DOCUMENT_TOKENS, _SUMMARY_TOKENS = (300, 500, 700), 4

SHARED = {Urgency.CHAT: _SYSTEM_TOKENS, Urgency.AGENT: _TOOLS_TOKENS}
"""Tokens that all requests of an urgency begin with."""

FIRST_TOKEN_S, TOKEN_S = 0.15, 0.04
"""How long an answer is taken to last, where no server says so: its first token, and each."""

SLACK_MS: Mapping[Urgency, float] = {Urgency.CHAT: 1500, Urgency.AGENT: 8000}
"""What is promised: to chat its first token, to agents the end of a step; to documents nothing."""

LEAST_POOL = 2.0
"""Memory holds at least so many of the longest requests: with less, it is not eviction that is measured."""

ENDS: Mapping[str, Any] = {"ends": True}
"""What a client says with a request that none will continue."""


@dataclass(frozen=True, slots=True)
class CacheLoad:
    """One load; everything follows from a seed.

    Attributes:
        chats_per_s: Mean rate at which conversations begin (Poisson).
        agents_per_s: Of agents, which share their tools.
        documents_per_s: Of documents, each read once.
        seconds: How long they begin, and go on: what would be asked later is not, as far as pauses alone tell.
        hints: Whether clients say what they know: that a document is read once, that a tool runs, and that an agent's
            last step is its last. Nobody knows whether a conversation goes on.
    """

    chats_per_s: float
    agents_per_s: float
    documents_per_s: float
    seconds: float
    hints: bool = True

    @classmethod
    def of(cls, options: argparse.Namespace, seconds: float) -> "CacheLoad":
        """What the arguments of ``add_load_arguments`` say."""
        rates = (options.chats_per_s, options.agents_per_s, options.documents_per_s)
        return cls(*rates, seconds, not options.no_hints)

    def requests(self, seed: int) -> list[Request]:
        """All requests, each behind the one that it waits for."""
        return [*self._documents(seed), *self._chats(seed), *self._agents(seed)]

    def _documents(self, seed: int) -> Iterator[Request]:
        draw, choose = random_tokens(f"scan/{seed}"), random.Random(f"scan/{seed}/lengths")
        for at_s in self._arrivals(f"scan/{seed}", self.documents_per_s):
            tokens = draw(choose.choice(_DOCUMENT_TOKENS))
            yield Request(tokens, _SUMMARY_TOKENS, at_s=at_s, urgency=Urgency.BATCH, slo=self._hint(ENDS))

    def _chats(self, seed: int) -> Iterator[Request]:
        draw, choose = random_tokens(f"talk/{seed}"), random.Random(f"talk/{seed}/lengths")
        system = random_tokens("talk/system")(_SYSTEM_TOKENS)
        for at_s in self._arrivals(f"talk/{seed}", self.chats_per_s):
            said, before, asked_s = [*system, *draw(choose.choice(_PASTED_TOKENS))], None, 0.0
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
        tool_runs = {"back_ms": round(2000 * max(_TOOL_S))}
        for at_s in self._arrivals(f"steps/{seed}", self.agents_per_s):
            said, before, asked_s = tools, None, 0.0
            for step in range(1, _STEPS + 1):
                said = [*said, *draw(_RESULT_TOKENS)]
                pause_s = at_s if before is None else choose.choice(_TOOL_S)
                asked_s += pause_s
                if asked_s >= self.seconds:
                    break
                hint = self._hint(ENDS if step == _STEPS else tool_runs)
                before = Request(said, _STEP_TOKENS, pause_s, Urgency.AGENT, before, hint)
                yield before
                said = [*said, *draw(_STEP_TOKENS)]

    def _arrivals(self, seed: str, per_s: float) -> Iterator[float]:
        gaps, now_s = random.Random(f"{seed}/arrivals"), 0.0
        while per_s > 0 and (now_s := now_s + gaps.expovariate(per_s)) < self.seconds:
            yield now_s

    def _hint(self, slo: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return slo if self.hints else None


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """What arrives, how much of it, and on how much memory."""
    add = parser.add_argument
    add("--seeds", type=int, default=2, help="loads (%(default)s)")
    add("--chats-per-s", type=float, default=0.08, help="conversations that begin (%(default)s)")
    add("--agents-per-s", type=float, default=0.08, help="agents (%(default)s)")
    add("--documents-per-s", type=float, default=0.08, help="documents (%(default)s)")
    add("--seconds", type=float, default=150.0, help="length of a load (%(default)s)")
    add("--learn-s", type=float, default=150.0, help="load of the same kind before that (%(default)s)")
    add("--share", type=float, default=1 / 3, help="memory as part of the working set (1/3)")
    add("--no-hints", action="store_true", help="clients say nothing of what comes next")


def begins_s(requests: Sequence[Request]) -> list[float]:
    """When each request begins, if answers come at a steady pace."""
    ends_s: dict[int, float] = {}
    found = []
    for request in requests:
        begins = request.at_s + (0.0 if request.after is None else ends_s[id(request.after)])
        ends_s[id(request)] = begins + FIRST_TOKEN_S + TOKEN_S * request.max_tokens
        found.append(begins)
    return found


def later(requests: Sequence[Request], by_s: float) -> list[Request]:
    """The same, so much later."""
    moved: dict[int, Request] = {}
    for request in requests:
        after = request.after
        moved[id(request)] = (
            replace(request, at_s=request.at_s + by_s) if after is None else replace(request, after=moved[id(after)])
        )
    return list(moved.values())


def working_set(requests: Sequence[Request]) -> float:
    """Denning's: different prompt tokens that were used within the longest pause of a session, in the mean.

    That much memory would compute nothing twice if what was used last stayed. It does not grow with the length of the
    load, as the number of different tokens in all of it would.
    """
    timed = sorted(zip(begins_s(requests), range(len(requests)), strict=True))
    window_s = max((request.at_s for request in requests if request.after is not None), default=0.0)
    end_s = timed[-1][0]
    begin_s = min(window_s, end_s / 2)  # before that, there was less than a window
    used_s: dict[int, float] = {}
    held_s = 0.0

    def held(from_s: float, to_s: float) -> float:
        return max(min(to_s, from_s + window_s, end_s) - max(from_s, begin_s), 0.0)

    for at_s, number in timed:
        state = 0
        for token in requests[number].prompt:
            state = hash((state, token))
            if state in used_s:
                held_s += held(used_s[state], at_s)
            used_s[state] = at_s
    held_s += sum(held(at_s, end_s) for at_s in used_s.values())
    return held_s / (end_s - begin_s) if end_s > begin_s else 0.0


def pool_for(loads: Sequence[Sequence[Request]], share: float) -> int:
    """Tokens of memory: a share of what the loads need in the middle, and enough for two of the longest requests."""
    longest = max(len(request.prompt) + request.max_tokens for requests in loads for request in requests)
    return int(max(share * median(map(working_set, loads)), LEAST_POOL * longest))
