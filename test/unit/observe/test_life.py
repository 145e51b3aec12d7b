import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.observe.life import Life, Span
from superinfer.observe.phases import Phase

pytestmark = pytest.mark.unit


def lived(*phases, end_us, ttft_us=None, arrived_us=0):
    life = Life(phases[0][1], arrived_us=arrived_us)
    for phase, at_us in phases:
        life.enter(phase, at_us)
    life.end(end_us, ttft_us)
    return [(span.name, span.start_us, span.end_us) for span in life.spans]


def test_spans_follow_each_other():
    spans = lived((Phase.WAITING, 10), (Phase.RUNNING, 20), (Phase.PARKED, 30), (Phase.RUNNING, 45), end_us=50)
    assert spans == [("waiting", 10, 20), ("running", 20, 30), ("parked", 30, 45), ("running", 45, 50)]


@pytest.mark.parametrize(
    ("ttft_us", "spans"),
    [
        (25, [("prefill", 20, 25), ("running", 25, 30), ("parked", 30, 40), ("running", 40, 50)]),
        (30, [("prefill", 20, 30), ("parked", 30, 40), ("running", 40, 50)]),
        (35, [("prefill", 20, 30), ("parked", 30, 40), ("running", 40, 50)]),
        (45, [("prefill", 20, 30), ("parked", 30, 40), ("prefill", 40, 45), ("running", 45, 50)]),
        (15, [("running", 20, 30), ("parked", 30, 40), ("running", 40, 50)]),
        (None, [("running", 20, 30), ("parked", 30, 40), ("running", 40, 50)]),
    ],
)
def test_service_before_the_first_token_is_prefill(ttft_us, spans):
    phases = ((Phase.WAITING, 0), (Phase.RUNNING, 20), (Phase.PARKED, 30), (Phase.RUNNING, 40))
    assert lived(*phases, end_us=50, ttft_us=ttft_us)[1:] == spans


@pytest.mark.parametrize(("since_us", "opened_us"), [(5, 5), (12, 10)])
def test_what_it_did_before_is_filled_in(since_us, opened_us):
    life = Life(10)
    life.assume(Phase.PARKED, since_us)
    life.enter(Phase.RUNNING, 20)
    life.end(30)
    assert life.opened_us == opened_us
    assert life.spans == [Span("parked", since_us, 20), Span("running", 20, 30)]


def test_what_is_known_is_not_assumed_over():
    life = Life(10)
    life.enter(Phase.RUNNING, 20)
    life.assume(Phase.WAITING, 5)
    life.enter(Phase.PARKED, 30)
    assert life.spans == [Span("running", 20, 30)]


def test_without_an_arrival_the_first_token_cannot_be_placed():
    assert lived((Phase.RUNNING, 20), end_us=50, ttft_us=25, arrived_us=None) == [("running", 20, 50)]


@given(st.lists(st.tuples(st.sampled_from(Phase), st.integers(0, 20))), st.integers(0, 20), st.none() | st.integers())
def test_whatever_the_stamps_spans_are_in_order_and_leave_nothing_out(phases, end_us, ttft_us):
    life = Life(10, arrived_us=10)
    for phase, at_us in phases:
        life.enter(phase, at_us)
    life.end(end_us, ttft_us)
    at_us = life.spans[0].start_us if life.spans else life.ended_us
    assert at_us >= life.opened_us
    for span in life.spans:
        assert span == Span(span.name, at_us, max(at_us, span.end_us))
        at_us = span.end_us
    assert at_us == life.ended_us
