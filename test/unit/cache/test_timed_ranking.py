"""Items whose keys change with time."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.cache.ranking import TimedRanking

pytestmark = pytest.mark.unit


def place(item, now_s):
    """Changes every few seconds, each item at its own times."""
    step = item % 3 + 1
    phase = int(now_s // step)
    return ((phase * 7 + item * 5) % 11,), (phase + 1) * float(step)


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans(), st.floats(0, 3)), max_size=40))
def test_the_least_is_the_least_by_the_places_as_they_are_now(steps):
    ranking, now_s, inside = TimedRanking(place), 0.0, set()
    for item, into, pause_s in steps:
        now_s += pause_s
        ranking.follow(now_s)
        if into:
            ranking.put(item, now_s)
            inside.add(item)
        else:
            ranking.drop(item)
            inside.discard(item)
        assert len(ranking) == len(inside)
        assert ranking.least() == min(inside, key=lambda each: (place(each, now_s)[0], each), default=None)
    expected = sorted(inside, key=lambda each: (place(each, now_s)[0], each))
    assert [ranking.pop(now_s) for _ in expected] == expected
    assert ranking.pop(now_s) is None


def test_what_has_risen_unannounced_is_seen_when_it_would_go():
    ranking = TimedRanking(lambda item, now_s: ((item + (10 if item == 1 and now_s >= 5.0 else 0),), inf))
    for item in (1, 2, 3):
        ranking.put(item, 0.0)
    ranking.follow(6.0)
    assert [ranking.pop(6.0) for _ in range(3)] == [2, 3, 1]


def test_all_are_looked_at_again_when_asked():
    keys = {1: 1, 2: 2}
    ranking = TimedRanking(lambda item, _: ((keys[item],), inf))
    ranking.put(1, 0.0), ranking.put(2, 0.0)
    keys.update({1: 3})
    assert ranking.least() == 1
    ranking.put_all(0.0)
    assert ranking.least() == 2
    assert 1 in ranking
