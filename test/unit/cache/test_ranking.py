import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.cache.ranking import SLACK, GroupedRanking, Ranking

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


@given(
    st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers(0, 3)), st.integers(0, 2))),
    st.sampled_from([None, {0}, {1, 2}]),
)
def test_groups_are_popped_as_sorting_does(steps, groups):
    ranking, plain = GroupedRanking(), {}
    for item, key, group in steps:
        if key is None:
            ranking.drop(item)
            plain.pop(item, None)
        else:
            ranking.put(item, (key,), group)
            plain[item] = (key,), group
        assert (len(ranking), set(ranking)) == (len(plain), set(plain))
    among = sorted((key, item) for item, (key, group) in plain.items() if groups is None or group in groups)
    for first in among:
        assert ranking.first(groups) == first
        ranking.drop(first[1])
    assert ranking.first(groups) is None
    assert len(ranking) == len(plain) - len(among)


def test_outdated_entries_do_not_pile_up():
    ranking = Ranking()
    for number in range(10_000):
        ranking.put(number % 5, (number,))
    assert len(ranking._heap) <= 2 * 5 + SLACK + 1
