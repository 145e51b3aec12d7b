import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.sched import SLOState
from superinfer.slo import SLO
from unit.strategies import slos

pytestmark = pytest.mark.unit

MS = 1000


def state(slo, *, arrival_ms=0):
    return SLOState(slo, rank=0, seq=1, arrival_us=arrival_ms * MS)


def streaming(slo, *, first_ms, tokens):
    """A request that sent its first token at ``first_ms`` and has sent ``tokens`` by now."""
    request = state(slo)
    request.timeline.record(1, first_ms * MS)
    request.timeline.record(tokens, first_ms * MS)
    return request


def test_nothing_owed_is_never_due():
    assert (state(SLO()).next_due_us, state(SLO()).last_due_us) == (None, None)


def test_dues_count_from_the_arrival():
    request = state(SLO(ttft_ms=500, deadline_ms=900), arrival_ms=100)
    assert (request.next_due_us, request.last_due_us) == (600 * MS, 1000 * MS)


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
    assert streaming(slo, first_ms=first_ms, tokens=3).next_due_us == due_ms * MS


def test_tokens_ahead_of_the_pace_are_credit():
    slow, fast = (streaming(SLO(tpot_ms=100), first_ms=0, tokens=tokens) for tokens in (1, 5))
    assert fast.next_due_us - slow.next_due_us == 400 * MS


def test_after_the_first_token_only_pace_and_deadline_count():
    assert streaming(SLO(ttft_ms=100), first_ms=50, tokens=1).next_due_us is None
    assert streaming(SLO(ttft_ms=100, deadline_ms=900), first_ms=50, tokens=1).last_due_us == 900 * MS


@given(slos(), st.integers(1, 10**6), st.integers(0, 10**6))
def test_every_valid_slo_has_a_finite_next_due_time(slo, tokens, first_ms):
    request = state(SLO(ttft_ms=slo.ttft_ms, tpot_ms=slo.tpot_ms, min_tps=slo.min_tps))
    request.timeline.record(tokens, first_ms * MS)
    assert request.next_due_us is None or isinstance(request.next_due_us, int)


def test_the_outcome_compares_promise_and_timeline():
    assert streaming(SLO(ttft_ms=100), first_ms=50, tokens=1).outcome().slack_ms == {"ttft_ms": 50}
