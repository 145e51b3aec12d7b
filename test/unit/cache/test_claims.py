"""What the queue and clients say stands above what is predicted."""

import pytest

from superinfer.cache.claims import Claim, Claims, Level
from superinfer.cache.evictor import Evictor
from superinfer.cache.rule import LRU
from unit.cache.factory import use

pytestmark = pytest.mark.unit


@pytest.fixture
def claims():
    return Claims(LRU())


@pytest.fixture
def cache(claims):
    evictor = Evictor(claims)
    for seq, name in enumerate("abcd", 1):
        evictor.insert(name, None, 10, use(seq))
    return evictor


def claim(cache, claims, owner, names, level, until_s=float("inf")):
    slots = [cache.nodes.slots[name] for name in names]
    cache.reorder(claims.claim(owner, slots, Claim(level, until_s)))


def order(cache, now_s=10.0):
    return "".join(cache.victims(1000, now_s))


def test_levels_come_before_the_rule(cache, claims):
    claim(cache, claims, 1, "a", Level.PARKED)
    claim(cache, claims, 2, "b", Level.QUEUED)
    claim(cache, claims, 3, "d", Level.ENDED)
    assert order(cache) == "dcba"


def test_the_highest_of_several_claims_holds(cache, claims):
    claim(cache, claims, 1, "a", Level.PARKED)
    claim(cache, claims, 2, "a", Level.ENDED)
    assert order(cache) == "bcda"
    cache.reorder(claims.release(1))
    assert order(cache) == "abcd"


def test_a_claim_runs_out(cache, claims):
    claim(cache, claims, 1, "a", Level.EXPECTED, until_s=20.0)
    assert order(cache, 19.9) == "bcda"
    assert order(cache, 20.0) == "abcd"


def test_an_owner_claims_anew(cache, claims):
    claim(cache, claims, 1, "ab", Level.QUEUED)
    claim(cache, claims, 1, "b", Level.QUEUED)
    assert order(cache) == "acdb"


def test_both_parts_of_a_split_are_claimed(cache, claims):
    claim(cache, claims, 1, "a", Level.PARKED)
    cache.split("a", "upper", 4)
    assert cache.victims(1000, 10.0) == ["b", "c", "d", "a", "upper"]
    cache.reorder(claims.release(1))
    assert cache.victims(1000, 10.0) == ["a", "upper", "b", "c", "d"]


def test_a_session_that_goes_on_has_not_ended(cache, claims):
    claim(cache, claims, 1, "d", Level.ENDED)
    cache.access("d", use(9))
    assert order(cache) == "abcd"
    assert not claims.claimed(1)


def test_who_was_expected_and_came_is_not_expected_any_more(cache, claims):
    claim(cache, claims, "first step", "a", Level.EXPECTED, until_s=100.0)
    cache.access("a", use(9))
    claim(cache, claims, "last step", "a", Level.ENDED)
    assert order(cache) == "abcd"
    assert not claims.claimed("first step")


def test_what_was_evicted_and_returns_is_still_claimed(cache, claims):
    claim(cache, claims, 1, "a", Level.PARKED)
    cache.remove("a")
    cache.insert("a", None, 10, use(9))
    claim(cache, claims, 2, "b", Level.QUEUED)
    assert order(cache) == "cdba"


def test_claims_that_have_run_out_are_not_kept(cache, claims):
    for owner in range(50):
        claim(cache, claims, owner, "a", Level.EXPECTED, until_s=5.0)
    cache.access("a", use(9))
    assert not any(claims.claimed(owner) for owner in range(50))


def test_nothing_is_claimed_of_the_next_node_in_a_slot(claims):
    cache = Evictor(claims, ghosts=0)
    cache.insert("a", None, 10, use(1))
    claim(cache, claims, 1, "a", Level.PARKED)
    cache.remove("a")
    cache.insert("b", None, 10, use(2))
    cache.insert("c", None, 10, use(3))
    assert order(cache) == "bc"


def test_held_nodes_stay_and_those_above_them_do_too(cache):
    cache.insert("e", "a", 5, use(5))
    cache.hold("e")
    cache.hold("e")
    assert order(cache) == "bcd"
    cache.free("e")
    assert order(cache) == "bcdea"


def test_the_length_of_an_answer_is_not_another_use(cache):
    cache.amend("a", use(9))
    assert order(cache) == "bcda"
    assert cache.nodes.uses[cache.nodes.slots["a"]] == 1
