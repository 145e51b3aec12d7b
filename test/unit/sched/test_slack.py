import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched import slack_us
from superinfer.slo import SLO
from unit.sched.factory import MS, cost_model, state
from unit.strategies import PRESET_NAMES, slos

pytestmark = pytest.mark.unit


def slack_ms(request, now_ms, cost=None, uncached=0, remaining=0):
    slack = slack_us(request, now_ms * MS, cost or cost_model(), uncached, remaining)
    return None if slack is None else slack / MS


def streaming(slo, *, first_ms, tokens):
    """A request that sent its first token at ``first_ms`` and has sent ``tokens`` by now."""
    request = state(slo)
    request.timeline.record(1, first_ms * MS)
    request.timeline.record(tokens, first_ms * MS)
    return request


def test_nothing_owed_is_no_slack():
    assert slack_ms(state(), now_ms=10) is None


def test_before_the_first_token_slack_is_the_time_left_minus_the_work():
    request = state(SLO(ttft_ms=1000), arrival_ms=100)
    assert slack_ms(request, now_ms=300) == 800
    assert slack_ms(request, now_ms=300, cost=cost_model(step_ms=20, token_ms=2), uncached=50) == 680
    assert slack_ms(request, now_ms=1200) == -100


def test_a_deadline_counts_all_remaining_tokens():
    request = state(SLO(deadline_ms=1000))
    assert slack_ms(request, now_ms=100, cost=cost_model(step_ms=10, token_ms=1), uncached=100, remaining=50) == 300


def test_the_tighter_of_two_dues_decides():
    request = state(SLO(ttft_ms=500, deadline_ms=1000))
    cost = cost_model(step_ms=10)
    assert slack_ms(request, now_ms=0, cost=cost, remaining=20) == 490
    assert slack_ms(request, now_ms=0, cost=cost, remaining=90) == 100


@pytest.mark.parametrize(
    ("slo", "first_ms", "due_ms"),
    [
        (SLO(ttft_ms=1000, tpot_ms=100), 200, 1300),  # early: the clock starts at the promise, 800 ms of credit
        (SLO(ttft_ms=1000, tpot_ms=100), 2000, 2300),  # late: one miss, not a miss of every token
        (SLO(tpot_ms=100), 200, 500),  # no promise of a first token: the clock starts when it came
        (SLO(min_tps=20), 200, 350),
        (SLO(tpot_ms=100, min_tps=20), 200, 350),
    ],
)
def test_the_pace_of_a_stream_starts_at_the_later_of_promise_and_first_token(slo, first_ms, due_ms):
    assert slack_ms(streaming(slo, first_ms=first_ms, tokens=3), now_ms=0) == due_ms


def test_tokens_ahead_of_the_pace_are_credit():
    slow, fast = (streaming(SLO(tpot_ms=100), first_ms=0, tokens=tokens) for tokens in (1, 5))
    assert slack_ms(fast, now_ms=0) - slack_ms(slow, now_ms=0) == 400


def test_after_the_first_token_only_pace_and_deadline_count():
    assert slack_ms(streaming(SLO(ttft_ms=100), first_ms=50, tokens=1), now_ms=0) is None
    assert slack_ms(streaming(SLO(ttft_ms=100, deadline_ms=900), first_ms=50, tokens=1), now_ms=0) == 900


@given(slos(classes=PRESET_NAMES), st.integers(0, 10**7), st.integers(0, 10**6), st.integers(1, 1000))
def test_slack_shrinks_by_the_time_that_passes(slo, now_ms, passed_ms, tokens):
    request = state(slo)
    cost = cost_model(step_ms=3, token_ms=1)
    before, after = (slack_us(request, t * MS, cost, tokens, tokens) for t in (now_ms, now_ms + passed_ms))
    assert (before is None) == (after is None) == (slo.cls != "interactive" and not (slo.ttft_ms or slo.deadline_ms))
    if before is not None:
        assert before - after == passed_ms * MS


@given(slos(), st.integers(1, 10**6), st.integers(0, 10**6))
def test_every_valid_slo_has_a_finite_next_due_time(slo, tokens, first_ms):
    request = state(SLO(ttft_ms=slo.ttft_ms, tpot_ms=slo.tpot_ms, min_tps=slo.min_tps))
    request.timeline.record(tokens, first_ms * MS)
    assert request.next_due_us is None or isinstance(request.next_due_us, int)


def test_the_outcome_compares_promise_and_timeline():
    assert streaming(SLO(ttft_ms=100), first_ms=50, tokens=1).outcome().slack_ms == {"ttft_ms": 50}
