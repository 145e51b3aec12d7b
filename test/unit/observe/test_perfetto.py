import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.observe.events import Admitted, Arrived, Finished, Resumed
from superinfer.observe.perfetto import ENGINE, trace_of
from superinfer.observe.track import REQUESTS
from unit.observe.histories import HISTORIES, STORY, delivered

pytestmark = pytest.mark.unit


def trace(*batches, gap_before=()):
    """The trace events of these batches of events, as a viewer reads them."""
    return json.loads(json.dumps(trace_of(delivered(*batches, gap_before=gap_before))))["traceEvents"]


def spans(events, process):
    """Track -> its spans as (name, start, end), in order of the file."""
    tracks = {}
    for event in events:
        if event["ph"] == "X" and event["pid"] == process:
            part = (event["name"], event["ts"], event["ts"] + event["dur"])
            tracks.setdefault(event["tid"], []).append(part)
    return tracks


def track(events, rid):
    """The spans of a request's only track."""
    (number,) = (event["tid"] for event in events if event["name"] == "thread_name" and event["args"]["name"] == rid)
    return spans(events, REQUESTS)[number]


def marks(events):
    return [(event["name"], event["ts"]) for event in events if event["ph"] == "i"]


class TestStory:
    events = trace(STORY)

    def test_a_waits_prefills_and_runs(self):
        assert track(self.events, "a") == [
            ("interactive", 1_000, 5_000),
            ("waiting", 1_000, 3_000),
            ("prefill", 3_000, 3_500),
            ("running", 3_500, 5_000),
        ]

    def test_b_is_parked_while_a_runs(self):
        assert track(self.events, "b") == [
            ("batch", 1_200, 6_000),
            ("waiting", 1_200, 2_000),
            ("running", 2_000, 3_000),
            ("parked", 3_000, 5_000),
            ("running", 5_000, 6_000),
        ]

    def test_c_only_waits(self):
        assert track(self.events, "c") == [("batch", 6_100, 6_200), ("waiting", 6_100, 6_200)]

    def test_steps(self):
        assert spans(self.events, ENGINE) == {0: [("prefill", 2_000, 3_000), ("decode", 3_100, 4_000)]}

    def test_decisions_are_marks(self):
        assert set(marks(self.events)) == {
            ("rotated: displaced", 3_000),
            ("demoted: 0 to 1", 4_000),
            ("promoted: 1 to 0", 4_200),
            ("relegated: deadline", 4_500),
            ("resumed", 5_000),
            ("aborted", 6_000),
            ("rejected", 6_200),
        }

    def test_counters(self):
        counters = [(event["name"], event["ts"], event["args"]) for event in self.events if event["ph"] == "C"]
        assert counters == [
            ("batch rows", 2_000, {"rows": 1}),
            ("KV tokens", 2_000, {"tokens": 2_000}),
            ("requests", 3_000, {"running": 1, "waiting": 0, "parked": 1}),
            ("batch rows", 3_100, {"rows": 1}),
            ("KV tokens", 3_100, {"tokens": 301}),
        ]

    def test_the_whole_request_says_how_it_ended(self):
        (whole,) = (event for event in self.events if event["name"] == "interactive")
        assert whole["args"] == {
            "tenant": "acme",
            "prompt_tokens": 300,
            "outcome": "met",
            "ttft_us": 2_500,
            "tokens": 20,
        }


def test_the_time_before_the_recording_is_known_from_what_was_waited():
    assert track(trace([Admitted(900, "r", 0, 400)]), "r") == [
        ("request", 500, 900),
        ("waiting", 500, 900),
        ("running", 900, 900),
    ]
    assert track(trace([Resumed(900, "r", 300, 5)]), "r")[:2] == [("request", 600, 900), ("parked", 600, 900)]


def test_the_first_token_is_placed_from_the_wait_if_the_arrival_was_not_seen():
    events = [Admitted(900, "r", 0, 400), Finished(2_000, "r", "met", 1_000, 9)]
    assert track(trace(events), "r")[2:] == [("prefill", 900, 1_500), ("running", 1_500, 2_000)]


def test_requests_that_go_on_reach_to_the_last_event():
    events = [Arrived(1, "r", "batch", None, 1, 0), Admitted(5, "r", 0, 4), Arrived(70, "s", "batch", None, 1, 0)]
    assert track(trace(events), "r")[-1] == ("running", 5, 70)


def test_over_a_gap_no_span_is_drawn():
    events = trace(STORY[:8], STORY[8:], gap_before={1})
    assert [end for parts in spans(events, REQUESTS).values() for name, _, end in parts if name == "parked"] == [
        4_000,  # what was known before
        5_000,  # what b's resumption tells
    ]
    assert ("events lost", 4_000) in marks(events)


def test_a_name_that_comes_back_is_another_request():
    again = [*STORY[:1], *STORY[5:6], *STORY[11:12]]
    assert len(spans(trace(again, again), REQUESTS)) == 2


@given(st.lists(HISTORIES, max_size=4), st.sets(st.integers(0, 3)))
def test_any_history_is_a_valid_trace(batches, gaps):
    events = trace(*batches, gap_before=gaps)
    assert {event["ph"] for event in events} <= {"M", "X", "i", "C"}
    named = [event["tid"] for event in events if event["name"] == "thread_name" and event["pid"] == REQUESTS]
    tracks = spans(events, REQUESTS)
    assert sorted(named) == sorted(tracks) == list(range(1, len(tracks) + 1))
    for (_, opened_us, ended_us), *parts in tracks.values():
        assert opened_us <= ended_us
        assert all(opened_us <= start_us <= end_us <= ended_us for _, start_us, end_us in parts)
        assert all(one[2] == next_[1] for one, next_ in pairwise(parts))
    for steps in spans(events, ENGINE).values():
        assert all(start_us <= end_us for _, start_us, end_us in steps)
        assert all(one[2] <= next_[1] for one, next_ in pairwise(steps))
