import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched.load_rate import LoadRate

pytestmark = pytest.mark.unit


def test_free_until_known():
    assert LoadRate().us(10_000) == 0


def test_the_shortest_time_is_nearest_to_the_truth():
    rate = LoadRate()
    for took_us in (90_000, 10_000, 50_000):
        rate.observe(1000, took_us)
    assert rate.us(1000) == pytest.approx(10_500)


def test_small_loads_say_nothing():
    rate = LoadRate()
    rate.observe(10, 5_000_000)
    assert rate.us(10) == 0


def test_a_link_that_slows_down_is_noticed():
    rate = LoadRate()
    rate.observe(1000, 1_000)
    for _ in range(100):
        rate.observe(1000, 100_000)
    assert rate.us(1000) == 100_000


@given(samples=st.lists(st.tuples(st.integers(64, 10_000), st.integers(0, 1 << 30)), min_size=1))
def test_never_slower_than_the_last_bound(samples):
    rate = LoadRate()
    for tokens, at_most_us in samples:
        rate.observe(tokens, at_most_us)
        assert rate.us_per_token <= at_most_us / tokens


def test_the_calibration_error_tells_how_far_off_loads_were():
    rate = LoadRate()
    rate.observe(1000, 10_000)
    assert rate.error == 0
    for _ in range(200):
        rate.observe(1000, 20_000)
    assert rate.error < 0.06  # it follows the slower link
    rate.observe(1000, 200_000)
    assert rate.error > 0.01
