import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched import CostModel
from superinfer.sched.cost import MIN_PREFILL_TOKENS
from unit.sched.factory import MS, cost_model

pytestmark = pytest.mark.unit


def test_work_is_free_until_something_was_observed():
    assert (CostModel().prefill_us(1000), CostModel().decode_us(1000)) == (0, 0)


def test_the_first_observation_sets_the_price():
    cost = cost_model(step_ms=10, token_ms=2)
    assert (cost.decode_us(3), cost.prefill_us(50)) == (30 * MS, 100 * MS)


def test_prefill_and_decode_are_priced_apart():
    cost = cost_model(step_ms=10)
    assert cost.prefill_us(100) == 0
    cost.observe(prefill_tokens=100, decode_rows=7, elapsed_us=60 * MS)
    assert (cost.decode_us(1), cost.prefill_us(100)) == (10 * MS, 50 * MS)


@pytest.mark.parametrize(
    ("prefill_tokens", "decode_rows", "elapsed_us"),
    [(0, 1, 0), (0, 1, -5), (100, 1, 0), (MIN_PREFILL_TOKENS - 1, 1, 999), (0, 0, 999)],
)
def test_steps_that_tell_nothing_teach_nothing(prefill_tokens, decode_rows, elapsed_us):
    cost = cost_model(step_ms=10, token_ms=1)
    cost.observe(prefill_tokens, decode_rows, elapsed_us)
    assert (cost.decode_us(1), cost.prefill_token_us) == (10 * MS, 1 * MS)


def test_a_prefill_shorter_than_a_decode_step_is_free_not_negative():
    cost = cost_model(step_ms=10)
    cost.observe(100, 0, 1 * MS)
    assert cost.prefill_us(100) == 0


@given(st.integers(1, 10**12))
def test_one_outlier_moves_the_price_by_a_third_at_most(elapsed_us):
    cost = cost_model(step_ms=10)
    cost.observe(0, 1, elapsed_us)
    assert 9 * MS <= cost.decode_us(1) <= 13 * MS


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_lasting_change_gets_through(before_us, after_us):
    cost = CostModel()
    cost.observe(0, 1, before_us)
    for _ in range(200):
        cost.observe(0, 1, after_us)
    assert cost.decode_us(1) == pytest.approx(after_us, rel=0.01, abs=1)


@given(st.integers(0, 20_000), st.integers(1, 2000))
def test_learns_the_line_behind_mixed_steps(step_us, token_us):
    cost = CostModel()
    for tokens in [32, 500, 4000] * 100:
        cost.observe(0, 1, step_us)
        cost.observe(tokens, 0, step_us + tokens * token_us)
    assert cost.prefill_us(1000) == pytest.approx(1000 * token_us, rel=0.01)


def test_recovers_after_the_price_was_nothing():
    cost = cost_model(step_ms=10)
    cost.observe(100, 0, 1 * MS)
    for _ in range(100):
        cost.observe(100, 0, 110 * MS)
    assert cost.prefill_us(100) == pytest.approx(100 * MS, rel=0.01)
