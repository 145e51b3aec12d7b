import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.shares import TierShares

pytestmark = pytest.mark.unit

TOKENS = 100


@pytest.fixture
def shares():
    return TierShares(count=4)


def had(shares, lines, rounds):
    """How often each of these lines had the turn, if all of them always have work."""
    turns = []
    for _ in range(rounds):
        (first,) = shares.turns(lines)
        shares.serve(first, TOKENS)
        turns.append(first)
    return [turns.count(line) for line in lines]


def test_a_tier_gets_half_of_what_the_one_above_it_gets(shares):
    assert had(shares, [0, 1, 2], 70) == [40, 20, 10]


def test_a_tier_alone_gets_everything(shares):
    assert had(shares, [3], 10) == [10]


def test_the_faster_goes_first_among_equals(shares):
    assert shares.turns([2, 1]) == [1]


def test_idle_time_earns_no_credit_and_does_not_clear_a_debt_above_others(shares):
    had(shares, [0], 100)
    assert had(shares, [0, 1], 30) == [20, 10]


def test_classes_do_not_share_with_each_other(shares):
    interactive, batch = shares.line(0, 3), shares.line(2, 2)
    assert shares.turns([batch, interactive]) == [interactive, batch]
    shares.serve(interactive, TOKENS)
    assert shares.turns([batch, interactive]) == [interactive, batch]


@given(visits=st.lists(st.sets(st.integers(0, 3), min_size=1), max_size=60))
def test_a_line_that_always_has_work_is_never_passed_over_for_long(visits):
    shares, waited = TierShares(count=4), 0
    for others in visits:
        (first,) = shares.turns(others | {3})
        shares.serve(first, TOKENS)
        waited = 0 if first == 3 else waited + 1
        assert waited <= 8 + 4 + 2
