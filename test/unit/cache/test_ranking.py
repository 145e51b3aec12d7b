import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.cache.ranking import SLACK, Ranking

pytestmark = pytest.mark.unit


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers(0, 3)))))
def test_it_pops_as_sorting_does(steps):
    ranking, plain = Ranking(), {}
    for item, key in steps:
        if key is None:
            ranking.drop(item)
            plain.pop(item, None)
        else:
            ranking.put(item, (key,))
            plain[item] = (key,)
        assert (len(ranking), set(ranking)) == (len(plain), set(plain))
    expected = [item for _, item in sorted((key, item) for item, key in plain.items())]
    assert [ranking.pop() for _ in expected] == expected
    assert ranking.pop() is None


def test_outdated_entries_do_not_pile_up():
    ranking = Ranking()
    for number in range(10_000):
        ranking.put(number % 5, (number,))
    assert len(ranking._heap) <= 2 * 5 + SLACK + 1
