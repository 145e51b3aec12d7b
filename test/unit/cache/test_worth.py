"""Offload or discard: chances within a time, what a copy saves, and what the host's room costs."""

from math import inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.cache.evictor import Evictor
from superinfer.cache.explain import explain_offload
from superinfer.cache.learned import Learned
from superinfer.cache.score import Cost, chances
from superinfer.cache.worth import Keeping, Prices, Worth
from unit.cache.factory import EDGES_S, constant, use

pytestmark = pytest.mark.unit

# 2 ms to compute a token at the top, half a millisecond to move one.
PRICES = Prices(Cost(token_ms=2.0, pair_ms=0.01), link_token_ms=0.5)


def logits(*hazards):
    return np.array([log(h / (1 - h)) for h in hazards], np.float32)


def test_chances_are_those_of_the_horizons_within():
    edges = np.array(EDGES_S, np.float32)  # 1, 4, 16, 64
    found = chances(logits(0.5, 0.2, 0.1, 0.4), edges, 4.0)
    assert found[0] == pytest.approx(1 - 0.5 * 0.8)
    assert found[1] == pytest.approx(1 - 0.8 * 0.9 ** (1 / 12))  # from 1 s to 5 s
    assert found[3] == pytest.approx(1 - 0.6 ** (4 / 48))
    assert found[4] == pytest.approx(found[3] / 2)


@given(st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4), st.floats(0, 200), st.floats(0, 200))
def test_more_time_is_more_chance(hazards, one, other):
    edges = np.array(EDGES_S, np.float32)
    less, more = (chances(logits(*hazards), edges, time) for time in sorted((one, other)))
    assert (less <= more + 1e-12).all()
    assert (more <= chances(logits(*hazards), edges, inf) + 1e-12).all()
    assert ((less >= 0) & (more <= 1)).all()


def test_a_node_that_has_waited_is_looked_at_from_there_on():
    rule = Learned(constant(0.5, 0.5, 0.01, 0.01))
    evictor = Evictor(rule)
    evictor.insert("a", None, 10, use(1, 0.0))
    slot = evictor.nodes.slots["a"]
    soon, until_s = rule.chance(slot, 0.5, inf)
    late, until_late_s = rule.chance(slot, 10.0, inf)
    assert (until_s, until_late_s) == (1.0, 16.0)
    assert soon == pytest.approx(1 - 0.5 * 0.5 * 0.99 * 0.99)
    assert late == pytest.approx(1 - 0.99 * 0.99)


def test_what_is_deeper_saves_more():
    top, deep = (PRICES.worth(0.5, start, 100, 100) for start in (0, 1000))
    assert top.saved_ms == pytest.approx(0.5 * (200 + 0.01 * 100 * 50 - 50))
    assert deep.saved_ms > top.saved_ms
    assert deep.price > top.price


def test_with_room_the_copy_alone_has_to_pay():
    # Computing takes 250 ms, loading 50, copying 50: it pays from a quarter on.
    for chance, pays in ((0.24, False), (0.26, True)):
        assert PRICES.offload(PRICES.worth(chance, 0, 100, 100), free_tokens=100, victim=None).pays is pays


def test_without_room_it_has_to_be_worth_more_than_what_goes():
    victim = PRICES.worth(0.5, 0, 100, 100)
    assert not PRICES.offload(victim, free_tokens=0, victim=victim).pays
    assert PRICES.offload(PRICES.worth(0.8, 0, 100, 100), free_tokens=0, victim=victim).pays
    assert PRICES.offload(PRICES.worth(0.6, 0, 100, 100), free_tokens=60, victim=victim).pays
    assert not PRICES.offload(PRICES.worth(0.6, 0, 100, 100), free_tokens=0, victim=victim).pays


def test_where_nothing_can_go_nothing_comes():
    offload = PRICES.offload(PRICES.worth(1.0, 0, 100, 100), free_tokens=99, victim=None)
    assert not offload.pays
    assert explain_offload(offload, inf)["room_ms"] is None


def test_a_link_that_is_slower_than_computing_saves_nothing():
    slow = Prices(Cost(token_ms=1.0), link_token_ms=2.0)
    assert not slow.offload(slow.worth(1.0, 0, 100, 100), free_tokens=100, victim=None).pays


def test_as_long_as_nothing_is_known_of_costs_everything_goes_that_may_be_used():
    free = Prices(Cost(token_ms=0.0), link_token_ms=0.0)
    assert free.offload(free.worth(0.1, 0, 10, 10), free_tokens=10, victim=None).pays
    assert not free.offload(free.worth(0.0, 0, 10, 10), free_tokens=10, victim=None).pays


def test_prices_are_equal_where_the_last_digit_is_not():
    a, b = Worth(0.3, 100.0, 10.0, 7), Worth(0.3 + 1e-15, 100.0, 10.0, 7)
    assert a.price == b.price


def test_a_tier_keeps_for_as_long_as_it_takes_to_write_it_anew():
    keeping = Keeping(100)
    assert keeping.keeps_s(5.0) == inf
    for second in range(30):
        keeping.wrote(10, float(second))
    assert keeping.keeps_s(29.0) == pytest.approx(10.0, abs=1.0)
    assert keeping.keeps_s(40.0) == pytest.approx(21.0, abs=1.0)


def test_what_was_written_is_kept_in_few_marks():
    keeping = Keeping(100_000)
    for step in range(50_000):
        keeping.wrote(10, step / 100)
    assert len(keeping._marks) < 80
    assert keeping.keeps_s(500.0) == pytest.approx(100.0, rel=0.05)
