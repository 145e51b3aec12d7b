"""Replays against loops that look at everything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.cache.rule import LRU
from superinfer.sim.cache.compare import SIMPLE
from superinfer.sim.cache.replay import replay
from superinfer.sim.cache.rules import FIFO, LFU, SLRU, Belady, HitsPerToken, TailLRU, Told
from superinfer.sim.cache.table import Table
from superinfer.sim.cache.trace import next_uses, numbered
from unit.sim.cache.loads import BLOCK, conversations, request, unshared

pytestmark = pytest.mark.unit


def plainly(load, capacity, worth):
    """Hit tokens and evictions, with the least worthy leaf looked for anew each time."""
    cache, hits, gone = {}, [], []
    for one in load:
        found = 0
        for index, block in enumerate(one.blocks):
            if block in cache:
                found += one.tokens(index)
                cache[block] |= {"last": one.use.seq, "uses": cache[block]["uses"] + 1}
            else:
                above = one.blocks[index - 1] if index else None
                fresh = {"above": above, "depth": index, "tokens": one.tokens(index), "first": one.use.seq}
                cache[block] = fresh | {"last": one.use.seq, "uses": 1}
        hits.append(found)
        while sum(node["tokens"] for node in cache.values()) > capacity:
            inner = {node["above"] for node in cache.values()}
            block = min(cache.keys() - inner, key=lambda block: (worth(block, cache[block]), -cache[block]["depth"]))
            gone.append(block)
            del cache[block]
    return hits, gone


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), blocks=st.integers(3, 60))
def test_rules_choose_as_plain_loops_do(seed, blocks):
    load = conversations(60, seed=seed)
    future = next_uses(load)
    for rule, worth in (
        (FIFO(), lambda _, node: node["first"]),
        (LRU(), lambda _, node: node["last"]),
        (LFU(), lambda _, node: (node["uses"], node["last"])),
        (SLRU(), lambda _, node: (node["uses"] > 1, node["last"])),
        (HitsPerToken(), lambda _, node: ((node["uses"] - 1) / node["tokens"], node["last"])),
        (Told(future), lambda block, node: ((block, node["last"]) in future, node["last"])),
        (Belady(future), lambda block, node: (-future.get((block, node["last"]), float("inf")), node["last"])),
    ):
        outcome = replay(load, blocks * BLOCK, rule, record_evicted=True)
        assert (outcome.hit_tokens, outcome.evicted) == plainly(load, blocks * BLOCK, worth)


def test_no_rule_of_these_finds_more_than_belady_or_than_there_is():
    load = conversations(400)
    for blocks in (40, 150, 10_000):
        found = {name: sum(replay(load, blocks * BLOCK, rule()).hit_tokens) for name, rule in SIMPLE.items()}
        found["table"] = sum(replay(load, blocks * BLOCK, Table(load[:200])).hit_tokens)
        best = sum(replay(load, blocks * BLOCK, Belady(next_uses(load))).hit_tokens)
        assert max(found.values()) <= best
        assert best <= sum(one.use.prompt_tokens - one.use.new_tokens for one in load)


def test_without_reuse_nobody_finds_anything():
    assert all(not any(replay(unshared(50), 20 * BLOCK, rule()).hit_tokens) for rule in SIMPLE.values())


def test_the_spare_tail_goes_first():
    load = numbered([request(0.0, [1, 2, 3]), request(1.0, [4, 5, 6])])
    outcome = replay(load, 5 * BLOCK, TailLRU(budget_tokens=2 * BLOCK, next_prompt_tokens=BLOCK), record_evicted=True)
    assert outcome.evicted == [3]
    load = numbered([*load, request(2.0, [7])])
    outcome = replay(load, 5 * BLOCK, TailLRU(budget_tokens=2 * BLOCK, next_prompt_tokens=BLOCK), record_evicted=True)
    # 6 is newer than 2, but the tail of a prompt; 7 is so short that it is all tail, and newer.
    assert outcome.evicted == [3, 6]


def test_a_prompt_longer_than_the_cache_loses_its_end():
    outcome = replay(numbered([request(0.0, [1, 2, 3]), request(1.0, [1, 2, 3])]), 2 * BLOCK, LRU())
    assert outcome.hit_tokens == [0, 2 * BLOCK]
