"""A load of ``cache_load`` on our evictor alone: the events that a server's tree would see, in their order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from benchmark.cache_load import FIRST_TOKEN_S, SHARED, SLACK_MS, TOKEN_S, begins_s
from benchmark.engine.workloads import Request, Urgency
from superinfer.cache.claims import Claim, Claims, Level
from superinfer.cache.evictor import Evictor
from superinfer.cache.ranking import Key
from superinfer.cache.rule import KeyRule, Rule
from superinfer.cache.use import Use
from superinfer.sim.cache.replay import use_path

RANKS = {Urgency.CHAT: 0, Urgency.AGENT: 1, Urgency.PLAIN: 1, Urgency.BATCH: 2}
"""SLO class by urgency: ``interactive``, ``standard``, ``batch``."""

_UNSAID = 1 << 20
"""Tokens of answers are those from here on: no prompt has them."""

Path = tuple[tuple[int, int], ...]
"""Nodes from the top: the name of each, which tells the prefix that it ends, and its tokens."""


@dataclass(frozen=True, slots=True)
class Event:
    """A request begins, or has ended.

    Attributes:
        at_s: When.
        request: Whose.
        number: Of the request.
        path: Its prompt; at the end with its answer.
        use: As the cache is told; all events have different numbers.
        ends: Whether it is the end.
    """

    at_s: float
    request: Request
    number: int
    path: Path
    use: Use
    ends: bool


@dataclass(slots=True)
class Outcome:
    """What a replay found.

    Attributes:
        prompt_tokens: Of all requests that count.
        computed: Those of them that were not in the cache, by urgency.
    """

    prompt_tokens: int = 0
    computed: Counter[Urgency] = field(default_factory=Counter)


def events(requests: Sequence[Request], block_tokens: int | None) -> list[Event]:
    """In order of time.

    Args:
        requests: The load.
        block_tokens: Prompts are cut at multiples of it; ``None``: only where they end, or differ.
    """
    found: list[tuple[float, int, bool, Path]] = []
    cuts: dict[int, frozenset[int]] = {}
    for number, (request, at_s) in enumerate(zip(requests, begins_s(requests), strict=True)):
        prompt, total = len(request.prompt), len(request.prompt) + request.max_tokens
        earlier = frozenset[int]() if request.after is None else cuts[id(request.after)]
        cuts[id(request)] = earlier | {prompt}
        blocks = range(block_tokens, total, block_tokens) if block_tokens else ()
        shared = {SHARED[request.urgency]} if request.urgency in SHARED else set[int]()
        # What was generated is not what the next prompt says was answered, which is random, too.
        path = _path(
            [*request.prompt, *[_UNSAID + number] * request.max_tokens], {*cuts[id(request)], *blocks, *shared, total}
        )
        ends_s = at_s + FIRST_TOKEN_S + TOKEN_S * request.max_tokens
        found += [(at_s, number, False, _up_to(path, prompt)), (ends_s, number, True, path)]
    found.sort(key=lambda event: event[:2])
    return _numbered(requests, found)


def _path(tokens: Sequence[int], ends: set[int]) -> Path:
    state, start, found = 0, 0, list[tuple[int, int]]()
    for end in sorted(ends):
        for token in tokens[start:end]:
            state = hash((state, token))
        found.append((state, end - start))
        start = end
    return tuple(found)


def _up_to(path: Path, tokens: int) -> Path:
    kept, depth = 0, 0
    while depth < tokens:
        depth += path[kept][1]
        kept += 1
    return path[:kept]


def _numbered(requests: Sequence[Request], found: Sequence[tuple[float, int, bool, Path]]) -> list[Event]:
    known: set[int] = set()
    uses: dict[int, Use] = {}
    result = []
    for seq, (at_s, number, ends, path) in enumerate(found, 1):
        request = requests[number]
        if ends:
            use = replace(uses[number], seq=seq, output_tokens=request.max_tokens)
        else:
            new = sum(tokens for name, tokens in path if name not in known)
            rank, slack_ms = RANKS[request.urgency], SLACK_MS.get(request.urgency, inf)
            use = uses[number] = Use(seq, at_s, len(request.prompt), new, 0, rank, slack_ms=slack_ms)
        known.update(name for name, _ in path)
        result.append(Event(at_s, request, number, path, use, ends))
    return result


def replay(
    happening: Sequence[Event], pool_tokens: int, rule: Rule[int], from_s: float = 0.0, *, hints: bool = False
) -> Outcome:
    """What begins from ``from_s`` on counts; with ``hints``, what clients say is heard, as in our cache."""
    claims: Claims[int] = Claims(rule)
    cache: Evictor[int] = Evictor(claims)
    outcome = Outcome()
    running: dict[int, Event] = {}
    for event in happening:
        if event.ends:
            _end(cache, event, running.pop(event.number))
            if hints and event.request.slo:
                _heed(cache, claims, event)
        else:
            running[event.number] = event
            hit = _begin(cache, event)
            if event.at_s >= from_s:
                outcome.prompt_tokens += event.use.prompt_tokens
                outcome.computed[event.request.urgency] += event.use.prompt_tokens - hit
        excess = cache.resident_tokens - pool_tokens
        for gone in cache.victims(excess, event.at_s) if excess > 0 else ():
            cache.remove(gone)
    return outcome


def _begin(cache: Evictor[int], event: Event) -> int:
    """Use what is there, insert the rest, and keep all of it; returns the tokens that were there."""
    hit = use_path(cache, event.path, event.use)
    cache.lock(event.path[-1][0])
    return hit


def _end(cache: Evictor[int], event: Event, begun: Event) -> None:
    above = None
    for name, tokens in event.path:
        if not cache.resident(name):
            cache.insert(name, above, tokens, event.use)
        elif cache.nodes.last[cache.nodes.slots[name]].seq == begun.use.seq:
            cache.amend(name, event.use)
        above = name
    cache.unlock(begun.path[-1][0])


def _heed(cache: Evictor[int], claims: Claims[int], event: Event) -> None:
    """As ``srt/cache/ends.py`` does."""
    said, slots = event.request.slo or {}, [cache.nodes.slots[name] for name, _ in event.path]
    if said.get("ends"):
        own: list[int] = []
        for slot in reversed(slots):
            if cache.nodes.children[slot] > bool(own):
                break
            own.append(slot)
        cache.reorder(claims.claim(event.number, own, Claim(Level.ENDED)))
    elif "back_ms" in said:
        until_s = event.at_s + said["back_ms"] / 1000
        cache.reorder(claims.claim(event.number, slots, Claim(Level.EXPECTED, until_s)))


def next_uses(happening: Sequence[Event]) -> dict[tuple[int, int], float]:
    """For each node and the number of an event that uses it, when a request uses it next, if one does."""
    found: dict[tuple[int, int], float] = {}
    upcoming: dict[int, float] = {}
    for event in reversed(happening):
        for name, _ in event.path:
            if name in upcoming:
                found[name, event.use.seq] = upcoming[name]
            if not event.ends:
                upcoming[name] = event.at_s
    return found


class Farthest(KeyRule[int]):
    """Whose next use is farthest goes first: knows the future, and is the best that can be hoped for."""

    def __init__(self, next_use_s: Mapping[tuple[int, int], float]) -> None:
        self._next_use_s = next_use_s

    def place(self, slot: int) -> Key:
        """By its next use."""
        seq = self.nodes.last[slot].seq
        return (-self._next_use_s.get((self.nodes.name(slot), seq), inf), seq, -self.nodes.depth[slot])


class Tiered(KeyRule[int]):
    """SGLang's ``priority`` where only what is less urgent than the rest has a lower one: that of batches."""

    def place(self, slot: int) -> Key:
        """By whether it is of a batch, then last use."""
        last = self.nodes.last[slot]
        return (last.slo_class < RANKS[Urgency.BATCH], last.seq, -self.nodes.depth[slot])
