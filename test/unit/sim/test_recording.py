import pytest

from superinfer.observe.events import Aborted, Admitted, Arrived, Finished, Step
from superinfer.sim.recording import recording_of
from superinfer.workload.steps import MeasuredRequest, MeasuredStep

pytestmark = pytest.mark.unit


def arrived(at_us, rid, prompt_tokens=100, **slo):
    return Arrived(at_us, rid, "batch", None, prompt_tokens, 2, slo)


def life(at_us, rid, cached_tokens=0, tokens=5):
    return [
        arrived(at_us, rid, deadline_ms=9_000),
        Admitted(at_us + 10, rid, 2, 10, cached_tokens),
        Finished(at_us + 900, rid, "met", 300, tokens, 800),
    ]


def test_requests_are_counted_from_the_first_arrival():
    a, b = life(5_000, "a", cached_tokens=40), life(7_000, "b")
    found = recording_of([a[0], a[1], b[0], b[1], b[2], a[2]])
    first = MeasuredRequest(
        at_us=0,
        prompt_tokens=100,
        cached_tokens=40,
        output_tokens=5,
        slo={"deadline_ms": 9_000},
        first_us=300,
        last_us=800,
    )
    assert found.requests[0] == first
    assert [request.at_us for request in found.requests] == [0, 2_000]
    assert (found.left_out, found.steps) == (0, ())


@pytest.mark.parametrize("lost", range(3))
def test_a_request_of_which_an_event_is_missing_is_left_out(lost):
    events = life(0, "a")
    del events[lost]
    found = recording_of([*events, *life(50, "b")])
    assert (len(found.requests), found.left_out) == (1, 1)


def test_who_was_cut_off_is_left_out():
    found = recording_of([*life(0, "a")[:2], Aborted(70, "a"), *life(50, "b", tokens=0)])
    assert (found.requests, found.left_out) == ((), 2)


def test_a_prompt_that_was_there_still_had_one_token_to_compute():
    assert recording_of(life(0, "a", cached_tokens=100)).requests[0].cached_tokens == 99


def test_steps_of_no_length_are_none():
    steps = [Step(1, 2, 300, 40, 900, 1_600), Step(2, 1, 9, 0, 0)]
    expected = MeasuredStep(decode_rows=2, kv_tokens=300, prefill_tokens=40, prefill_pairs=1_600, elapsed_us=900)
    assert recording_of(steps).steps == (expected,)
