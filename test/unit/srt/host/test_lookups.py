import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.srt.host.lookups import PER_PASS, Lookups

pytestmark = pytest.mark.unit


def test_newcomers_first_then_all_in_turn():
    lookups, queue = Lookups(), list(range(PER_PASS + 2))
    assert lookups.due(queue) == queue[:PER_PASS]
    assert set(lookups.due(queue)) >= set(queue[PER_PASS:])
    queue.append(99)
    assert lookups.due(queue)[0] == 99


def test_who_comes_back_is_new_again():
    lookups = Lookups()
    others = list(range(1, 30))
    lookups.due([0])
    lookups.due(others)
    assert lookups.due([*others[:PER_PASS], 0])[0] == 0


def test_nobody():
    assert Lookups().due([]) == []


@given(queues=st.lists(st.lists(st.integers(0, 40), unique=True, max_size=40), max_size=12))
def test_few_in_a_pass_and_everybody_in_the_end(queues):
    lookups = Lookups()
    for queue in queues:
        due = lookups.due(queue)
        assert len(due) <= PER_PASS
        assert set(due) <= set(queue)
        assert len(set(due)) == len(due)
    last = list(range(100, 140))
    assert set().union(*(lookups.due(last) for _ in range(10))) == set(last)
