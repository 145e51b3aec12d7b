import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.lang import DeadlineExceeded
from superinfer.lang.promise import Budget, Terms, check_on_late, nearest, parse
from superinfer.slo import SLO, SLOError
from unit.lang.fake import MS
from unit.strategies import slos

pytestmark = pytest.mark.unit


@given(slos(), slos())
def test_the_nearest_value_wins_field_by_field(near, far):
    both = nearest(near, far)
    for field in ("cls", "tpot_ms", "deadline_ms", "min_tps", "kv", "tenant"):
        near_value = getattr(near, field)
        assert getattr(both, field) == (getattr(far, field) if near_value is None else near_value)
    ttft_ms = near.ttft_ms if near.ttft_ms is not None else far.ttft_ms
    assert both.ttft_ms == ((ttft_ms and both.deadline_ms and min(ttft_ms, both.deadline_ms)) or ttft_ms)


def test_a_near_time_to_first_token_does_not_cancel_the_programs_deadline():
    assert nearest(SLO(ttft_ms=1000), SLO(deadline_ms=500)) == SLO(ttft_ms=500, deadline_ms=500)


@pytest.mark.parametrize("slo", [SLO(cls="batch"), {"class": "batch"}, "batch"])
def test_three_ways_to_write_an_slo(slo):
    assert parse(slo) == SLO(cls="batch")


def test_none_asks_for_nothing():
    assert parse(None) == SLO()


def test_a_bad_slo_names_its_field():
    with pytest.raises(SLOError, match=r"slo\.ttft: is not a field"):
        parse({"ttft": 3})


@pytest.mark.parametrize(("elapsed_ns", "left_ms"), [(0, 300), (1, 299), (MS, 299), (300 * MS, 0), (301 * MS, -1)])
def test_what_is_left_is_rounded_down_to_whole_ms(elapsed_ns, left_ms):
    assert Budget(start_ns=17, deadline_ms=300).left_ms(17 + elapsed_ns) == left_ms


@given(slos(), slos(), st.integers(0, 1000), st.integers(0, 1000))
def test_what_is_sent_never_outlasts_any_deadline_around_it(program, call, before_ms, within_ms):
    terms = Terms().within(program, 0).within(call, before_ms * MS)
    now_ms = before_ms + within_ms
    sent = terms.at(now_ms * MS, "continue")
    left = [program.deadline_ms and program.deadline_ms - now_ms, call.deadline_ms and call.deadline_ms - within_ms]
    assert sent.deadline_ms == min((ms for ms in left if ms is not None and ms >= 1), default=None)
    assert terms.is_late(now_ms * MS) == any(ms is not None and ms < 1 for ms in left)


def test_a_remainder_shorter_than_the_time_to_first_token_makes_that_shorter_too():
    terms = Terms().within(SLO(ttft_ms=400, deadline_ms=500), 0)
    assert terms.at(300 * MS, "raise") == SLO(ttft_ms=200, deadline_ms=200)


def test_on_late_continue_drops_only_the_deadline():
    slo = SLO(cls="interactive", tpot_ms=50, deadline_ms=100, tenant="acme")
    assert Terms().within(slo, 0).at(100 * MS, "continue") == replace(slo, deadline_ms=None)


def test_on_late_relax_drops_every_target():
    slo = SLO(cls="interactive", ttft_ms=9, tpot_ms=50, min_tps=20, deadline_ms=100, kv="int8", tenant="acme")
    assert Terms().within(slo, 0).at(100 * MS, "relax") == SLO(cls="batch", kv="int8", tenant="acme")


def test_on_late_raise_says_which_deadline_and_how_late():
    terms = Terms().within(SLO(deadline_ms=900), 0).within(SLO(deadline_ms=100), 50 * MS)
    with pytest.raises(DeadlineExceeded, match="deadline of 100 ms passed 30 ms ago") as caught:
        terms.at(180 * MS, "raise")
    assert (caught.value.deadline_ms, caught.value.late_ms) == (100, 30)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("on_late", ["continue", "relax", "raise"])
def test_in_time_on_late_makes_no_difference(on_late):
    assert Terms().within(SLO(deadline_ms=100), 0).at(99 * MS, on_late) == SLO(deadline_ms=1)


def test_on_late_has_three_values():
    with pytest.raises(ValueError, match="on_late must be one of continue, relax, raise, not 'panic'"):
        check_on_late("panic")
