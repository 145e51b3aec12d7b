"""The guard keeps close to LRU whatever the predictor says, and lets a good predictor win."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.cache.evictor import Evictor
from superinfer.cache.guard import Guarded, Watch
from superinfer.cache.learned import Learned
from superinfer.cache.rule import LRU
from superinfer.cache.stored import Stored
from superinfer.sim.cache.replay import replay
from unit.cache.factory import constant, predictor, use
from unit.sim.cache.loads import conversations, looped, unshared

pytestmark = pytest.mark.unit

CAPACITY = 40_000


def hits(load, rule):
    return sum(replay(load, CAPACITY, rule).hit_tokens)


def guarded(model):
    return Guarded(Learned(model), CAPACITY, Watch(one_in=1))


# Sure that whatever was just used is not used again soon: the newest goes first.
CONTRARY = constant(0.001, 0.001, 0.001, 0.9)


@pytest.mark.parametrize("model", [CONTRARY, predictor(1), predictor(2, scale=2.0)], ids=["contrary", "wild", "wilder"])
def test_at_worst_a_hundredth_of_lrus_hits_is_lost(model):
    load = conversations(1200, think_s=2.0)
    assert hits(load, guarded(model)) >= 0.99 * hits(load, LRU())


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1000), think_s=st.sampled_from([0.5, 2.0, 5.0, 20.0]))
def test_the_same_on_any_load(seed, think_s):
    load = conversations(800, think_s=think_s, seed=seed)
    assert hits(load, guarded(predictor(seed))) >= 0.99 * hits(load, LRU())


def test_without_the_guard_the_same_predictor_loses():
    load = conversations(1200, think_s=2.0)
    assert hits(load, Learned(CONTRARY)) < 0.9 * hits(load, LRU())


def test_a_good_predictor_decides():
    # Prompts in a loop longer than the cache: LRU finds nothing, and whoever keeps some of them does.
    load = looped(1500)
    rule = guarded(CONTRARY)
    assert hits(load, LRU()) == 0
    assert hits(load, rule) > 0.1 * sum(request.use.prompt_tokens for request in load)
    assert rule.learned_decides


def test_when_the_traffic_turns_lru_takes_over():
    rule = guarded(CONTRARY)
    load = looped(800, then=conversations(1500, think_s=2.0))
    hits(load, rule)
    assert not rule.learned_decides
    assert rule.version >= 2


def test_traffic_without_reuse_changes_nothing():
    rule = guarded(predictor())
    assert hits(unshared(500), rule) == 0
    assert not rule.learned_decides


def test_a_twentieth_is_sampled_unless_that_is_too_few():
    assert [Watch.of(nodes).one_in for nodes in (10, 1024, 3000, 10_000_000)] == [1, 1, 2, 20]


@pytest.mark.parametrize(("weight", "held"), [(1.0, 10), (0.5, 20), (0.25, 40)])
def test_shadows_hold_more_of_what_takes_less_room(weight, held):
    rule = Guarded(Learned(constant(0.1, 0.1, 0.1, 0.1)), 200, Watch(one_in=1))
    evictor = Evictor(rule)
    for number in range(60):
        evictor.insert(number, None, 20, use(number + 1), stored=Stored(0, weight))
    evictor.access(59, use(61))
    for shadow in rule._shadows:
        assert sum(shadow.holds(evictor.nodes.slots[number]) for number in range(60)) == held
