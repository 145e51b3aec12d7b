"""One load on one cache under one rule."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from superinfer.cache.evictor import Evictor
from superinfer.cache.rule import Rule
from superinfer.cache.use import Use
from superinfer.sim.cache.trace import Request


@dataclass(slots=True)
class Outcome:
    """What a replay found.

    Attributes:
        hit_tokens: Of each request, the tokens of its prompt that were in the cache.
        evicted: Blocks that were removed, in order, if they were to be recorded.
    """

    hit_tokens: list[int] = field(default_factory=list)
    evicted: list[int] = field(default_factory=list)


def replay(load: Sequence[Request], capacity_tokens: int, rule: Rule[int], record_evicted: bool = False) -> Outcome:
    """Serve the load: a request hits the longest resident prefix, all its blocks are inserted, then room is made.

    Requests take no time, so nothing is locked; a prompt longer than the cache loses its end.
    """
    cache: Evictor[int] = Evictor(rule)
    outcome = Outcome()
    for request in load:
        outcome.hit_tokens.append(serve(cache, request))
        excess = cache.resident_tokens - capacity_tokens
        if excess > 0:
            gone = cache.victims(excess, request.use.time_s)
            for block in gone:
                cache.remove(block)
            if record_evicted:
                outcome.evicted += gone
    return outcome


def serve(cache: Evictor[int], request: Request) -> int:
    """Use the resident blocks of a request, insert the others; returns the tokens that were found."""
    return use_path(cache, ((block, request.tokens(index)) for index, block in enumerate(request.blocks)), request.use)


def use_path(cache: Evictor[int], path: Iterable[tuple[int, int]], use: Use) -> int:
    """Use what is there of nodes, (name, tokens) each, from the top, insert the others; returns the tokens found."""
    above: int | None = None
    hit = 0
    for name, tokens in path:
        if cache.resident(name):
            cache.access(name, use)
            hit += tokens
        else:
            cache.insert(name, above, tokens, use, use.kind)
        above = name
    return hit
