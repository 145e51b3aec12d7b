"""All rules on one load: learnt on its first part, scored on the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from superinfer.cache.guard import Guarded, Watch
from superinfer.cache.learned import Learned
from superinfer.cache.predictor import Predictor
from superinfer.cache.rule import LRU, Rule
from superinfer.cache.score import Cost
from superinfer.sim.cache.replay import replay
from superinfer.sim.cache.rules import FIFO, LFU, SLRU, Belady, HitsPerToken, Priority, TailLRU, Told
from superinfer.sim.cache.table import Table
from superinfer.sim.cache.trace import Request, next_uses
from superinfer.sim.cache.ttft import first_tokens_ms
from superinfer.sim.machine import Machine
from superinfer.workload.arrivals import PREFIX_BLOCK_TOKENS
from superinfer.workload.attainment import percentile

Maker = Callable[[int], Rule[int]]
"""A rule for a cache of so many tokens."""

SIMPLE: dict[str, Callable[[], Rule[int]]] = {
    "fifo": FIFO,
    "lru": LRU,
    "lfu": LFU,
    "slru": SLRU,
    "tlru": TailLRU,
    "priority": Priority,
    "hits-per-token": HitsPerToken,
}
RULES = (*SIMPLE, "table", "learned-unguarded", "learned", "told", "belady")
"""The names of all rules."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one rule at one capacity, on the scored part.

    Attributes:
        hits: Share of the prompt tokens that were found.
        prefill_tokens: Prompt tokens computed.
        ttft_p99_ms: 99th percentile of the time to the first token.
    """

    hits: float
    prefill_tokens: int
    ttft_p99_ms: float


def makers(load: Sequence[Request], learnt: int, predictor: Predictor, cost: Cost) -> dict[str, Maker]:
    """The rules by name, as far as they learn from the first ``learnt`` requests.

    Only ``told`` and ``belady`` see the others. ``learned`` is what ships: with its guard.
    """
    table, future = partial(Table, load[:learnt]), next_uses(load)
    found: dict[str, Maker] = {name: partial(_simple, rule) for name, rule in SIMPLE.items()}
    found["table"] = lambda _: table()
    found["learned-unguarded"] = lambda _: Learned(predictor, cost)
    found["learned"] = lambda capacity: Guarded(
        Learned(predictor, cost), capacity, Watch.of(capacity // PREFIX_BLOCK_TOKENS)
    )
    found["told"] = lambda _: Told(future)
    found["belady"] = lambda _: Belady(future)
    return found


def score(
    load: Sequence[Request], learnt: int, capacity_tokens: int, rule: Rule[int], machine: Machine, rate: float
) -> Scores:
    """Serve the whole load, and score what follows the first ``learnt`` requests."""
    hit_tokens = replay(load, capacity_tokens, rule).hit_tokens[learnt:]
    scored = load[learnt:]
    asked = sum(request.use.prompt_tokens for request in scored)
    times_ms = first_tokens_ms(scored, hit_tokens, machine, rate)
    return Scores(sum(hit_tokens) / asked, asked - sum(hit_tokens), percentile(times_ms, 99))


def gap_closed(hits: Mapping[str, float]) -> float | None:
    """The part of the way from LRU's hits to Belady's that the learned rule goes; None if there is no way to go."""
    way = hits["belady"] - hits["lru"]
    return (hits["learned"] - hits["lru"]) / way if way > 0 else None


def _simple(rule: Callable[[], Rule[int]], capacity_tokens: int) -> Rule[int]:
    return rule()
