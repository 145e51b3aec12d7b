from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.owed import Owed
from superinfer.sched.tiers import Tiers

pytestmark = pytest.mark.unit

TIERS = Tiers(count=4, slice_us=100)


def moved(tier, estimate_us, left_us, served_us):
    """Where a request goes that owes something in ``left_us``, or nothing at all."""
    one = partial(np.full, 1, dtype=np.int64)
    owed = Owed(np.array([left_us is not None]), one(left_us or 0), one(estimate_us))
    return TIERS.move(one(tier), owed, one(served_us)).item()


def test_slices_double_and_shares_halve():
    assert [TIERS.slice_of(tier) for tier in range(4)] == [100, 200, 400, 800]
    assert [TIERS.share(tier) for tier in range(4)] == [1, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(("rank", "cost", "tier"), [(0, 50, 0), (0, 150, 1), (2, 50, 2), (0, 10_000, 3), (9, 1, 3)])
def test_entry_is_by_class_and_skips_tiers_whose_slice_the_prompt_exceeds(rank, cost, tier):
    assert TIERS.entry(rank, cost) == tier


def test_promotion_until_the_share_suffices():
    assert moved(3, estimate_us=100, left_us=1000, served_us=0) == 3
    assert moved(3, estimate_us=100, left_us=700, served_us=0) == 2
    assert moved(3, estimate_us=300, left_us=1000, served_us=0) == 1


def test_straight_to_the_top_when_less_than_a_round_is_left():
    assert moved(3, estimate_us=10, left_us=105, served_us=0) == 0


def test_demotion_needs_a_used_slice_and_room():
    assert moved(1, estimate_us=10, left_us=10_000, served_us=199) == 1
    assert moved(1, estimate_us=10, left_us=10_000, served_us=200) == 2
    assert moved(1, estimate_us=240, left_us=1000, served_us=500) == 1


def test_without_obligations_a_request_sinks_with_service():
    assert moved(0, 10, None, 100) == 1
    assert moved(3, 10, None, 10_000) == 3


@given(
    tier=st.integers(0, 3), estimate=st.integers(0, 5000), left=st.integers(-500, 50_000), served=st.integers(0, 5000)
)
def test_no_swinging_where_service_does_not_grow(tier, estimate, left, served):
    once = moved(tier, estimate, left, served)
    again = moved(once, estimate, left, 0)
    assert again <= once
    assert moved(again, estimate, left, 0) == again


@pytest.mark.parametrize("arguments", [{"count": 0}, {"slice_us": 0}])
def test_impossible_tiers(arguments):
    with pytest.raises(ValueError, match="at least 1"):
        Tiers(**arguments)
