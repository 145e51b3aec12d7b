"""Conversations and agents that share prompts, beside documents: what arrives when follows from a seed."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from benchmark.engine.workloads import Request, Urgency, random_tokens
from benchmark.mixed.agents import Agent

_SYSTEM_TOKENS, _TOOLS_TOKENS = 150, 220
_QUESTION_TOKENS = (20, 40, 90, 200)
_ANSWER_TOKENS = (16, 32, 48)
_TURNS = (1, 1, 2, 3)
_READING_S = 2.0
_STEPS = 3
_RESULT_TOKENS = 60

_WORDS = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state")
"""With the space before it, each is one token of the usual vocabularies."""

Draw = Callable[[int], list[int]]


@dataclass(frozen=True, slots=True)
class Targets:
    """What is promised; a request is on time if all of its targets hold.

    Attributes:
        ttft_ms: Chat's time to first token.
        tpot_ms: Chat's mean time per further token.
        step_ms: An agent's time from a step to its last token.
    """

    ttft_ms: int = 1500
    tpot_ms: int = 150
    step_ms: int = 6000


@dataclass(frozen=True, slots=True)
class Load:
    """One load.

    Attributes:
        chats_per_s: Mean rate at which conversations begin. Half of them come alone (Poisson), half in groups of four.
        agents_per_s: Mean rate of agents (Poisson), each of three steps.
        documents_per_s: Mean rate of documents (Poisson), the first at once.
        seconds: How long they arrive.
        document_tokens: Length of a document.
        summary_tokens: Length of what is said about it.
    """

    chats_per_s: float
    agents_per_s: float
    documents_per_s: float
    seconds: float
    document_tokens: int = 300
    summary_tokens: int = 80

    def scaled(self, factor: float) -> "Load":
        """The same mix, ``factor`` times as fast."""
        return replace(
            self,
            chats_per_s=self.chats_per_s * factor,
            agents_per_s=self.agents_per_s * factor,
            documents_per_s=self.documents_per_s * factor,
        )

    def only_documents(self) -> "Load":
        """As many tokens of one class, that nothing is promised: where order can gain nothing."""
        return replace(self, chats_per_s=0.0, agents_per_s=0.0, documents_per_s=2 * self.documents_per_s)

    def requests(self, seed: int, words: str = "") -> list[Request]:
        """Documents and chat, each request behind those that it waits for.

        Args:
            seed: What arrives when, and how long it is.
            words: What is said, with the seed.
        """
        return [*self._documents(seed, words), *self._chats(seed, words)]

    def agents(self, seed: int, words: str = "") -> list[Agent]:
        """Agents, with the text that they are told; what they say themselves is what the model says."""
        choose = random.Random(f"agents/{seed}{words}")
        tools = _text(choose, _TOOLS_TOKENS)
        return [
            Agent(at_s, tools, [_text(choose, _RESULT_TOKENS) for _ in range(_STEPS)])
            for at_s in self._arrivals(f"agents/{seed}", self.agents_per_s)
        ]

    def _documents(self, seed: int, words: str) -> Iterator[Request]:
        draw = random_tokens(f"documents/{seed}{words}")
        for at_s in [0.0, *self._arrivals(f"documents/{seed}", self.documents_per_s)]:
            yield Request(draw(self.document_tokens), self.summary_tokens, at_s=at_s, urgency=Urgency.BATCH)

    def _chats(self, seed: int, words: str) -> Iterator[Request]:
        draw, choose = random_tokens(f"chat/{seed}{words}"), random.Random(f"chat/{seed}/lengths")
        system = draw(_SYSTEM_TOKENS)
        alone = self._arrivals(f"chat/{seed}", self.chats_per_s / 2)
        groups = self._arrivals(f"chat/{seed}/groups", self.chats_per_s / 8)
        for at_s in [*alone, *(at_s for at_s in groups for _ in range(4))]:
            yield from _conversation(system, at_s, draw, choose)

    def _arrivals(self, seed: str, per_s: float) -> Iterator[float]:
        gaps, now_s = random.Random(f"{seed}/arrivals"), 0.0
        while per_s > 0 and (now_s := now_s + gaps.expovariate(per_s)) < self.seconds:
            yield now_s


def _conversation(system: list[int], at_s: float, draw: Draw, choose: random.Random) -> Iterator[Request]:
    """Turns that each send all that was said before. The answers in there are made up: all systems get the same."""
    turns = choose.choice(_TURNS)
    sizes = [(choose.choice(_QUESTION_TOKENS), choose.choice(_ANSWER_TOKENS)) for _ in range(turns)]
    said, before = system, None
    for asked, answered in sizes:
        said = [*said, *draw(asked)]
        before = Request(said, answered, at_s if before is None else _READING_S, Urgency.CHAT, before)
        yield before
        said = [*said, *draw(answered)]


def _text(choose: random.Random, tokens: int) -> str:
    return "".join(f" {word}" for word in choose.choices(_WORDS, k=tokens))


FACTORS: Mapping[str, float] = {"light": 0.25, "below": 0.6, "knee": 1.0, "above": 1.4, "overload": 2.0}
"""Name of a load point, and how many times the load at the knee that is."""

POINTS: Mapping[str, Callable[[Load], Load]] = {
    **{name: partial(Load.scaled, factor=factor) for name, factor in FACTORS.items()},
    "one_class": Load.only_documents,
}
"""Name of anything that can be run, and what the load at the knee becomes there."""

QUICK_POINTS = ("knee", "overload")
