from collections import Counter

import pytest
from hypothesis import given

from superinfer.observe.board import RECENT_STEPS, UNKNOWN, Board, Live, attained
from superinfer.observe.events import (
    Aborted,
    Admitted,
    Arrived,
    Demoted,
    Finished,
    PassSummary,
    Promoted,
    Rejected,
    Relegated,
    Resumed,
    Rotated,
    Step,
)
from superinfer.observe.phases import Phase
from unit.observe.histories import HISTORIES, STORY, delivered

pytestmark = pytest.mark.unit

ENDINGS = (Finished, Aborted, Rejected)
BEGINS = {Arrived: Phase.WAITING, Admitted: Phase.RUNNING, Resumed: Phase.RUNNING, Rotated: Phase.PARKED}


def board_after(events):
    board = Board()
    for event in events:
        board.fold(event)
    return board


def lives(events):
    """Events of each request, cut where it ended: its last life, if it is live, and all lives that ended."""
    open_, ended = {}, []
    for event in events:
        if isinstance(event, Step | PassSummary):
            continue
        open_.setdefault(event.rid, []).append(event)
        if isinstance(event, ENDINGS):
            ended.append(open_.pop(event.rid))
    return open_, ended


def present(life):
    """What ``life`` tells, from where its phase is first known."""
    start = next((index for index, event in enumerate(life) if type(event) in BEGINS), None)
    if start is None:
        return None
    known = life[start:]
    phase = [BEGINS[type(event)] for event in known if type(event) in BEGINS][-1]
    arrivals = [event for event in known if isinstance(event, Arrived)]
    cls, tenant = (arrivals[-1].cls, arrivals[-1].tenant or "") if arrivals else (UNKNOWN, UNKNOWN)
    return Live(phase, cls, tenant)


def verdict(ending):
    return ending.outcome if isinstance(ending, Finished) else {Aborted: "aborted", Rejected: "rejected"}[type(ending)]


class TestCounts:
    """They equal what is counted by hand over the whole history, whatever that was."""

    @given(HISTORIES)
    def test_of_live_requests(self, events):
        live = {rid: present(life) for rid, life in lives(events)[0].items()}
        live = {rid: request for rid, request in live.items() if request}
        board = board_after(events)
        assert board.live == live
        assert board.phases() == Counter((request.cls, request.phase) for request in live.values())

    @given(HISTORIES)
    def test_of_outcomes(self, events):
        classes, tenants = Counter(), Counter()
        for life in lives(events)[1]:
            request = present(life[:-1]) or Live(Phase.WAITING)
            classes[request.cls, verdict(life[-1])] += 1
            tenants[request.tenant, verdict(life[-1])] += 1
        board = board_after(events)
        for totals, expected in ((board.classes, classes), (board.tenants, tenants)):
            assert {(name, out): n for name, one in totals.items() for out, n in one.outcomes.items()} == expected

    @given(HISTORIES)
    def test_of_events(self, events):
        board = board_after(events)
        kinds = Counter(type(event) for event in events)
        assert (board.promoted, board.demoted) == (kinds[Promoted], kinds[Demoted])
        assert board.rotations == Counter(event.reason for event in events if isinstance(event, Rotated))
        assert board.relegations == Counter(event.obligation for event in events if isinstance(event, Relegated))
        for totals in (board.classes, board.tenants):
            assert sum(one.arrived for one in totals.values()) == kinds[Arrived]
            tokens = sum(event.tokens for event in events if isinstance(event, Finished))
            assert sum(one.tokens for one in totals.values()) == tokens


def test_the_story():
    board = board_after(STORY[:8])
    assert board.live == {
        "a": Live(Phase.RUNNING, "interactive", "acme"),
        "b": Live(Phase.PARKED, "batch", ""),
    }
    board = board_after(STORY)
    assert board.live == {}
    assert board.classes["interactive"].outcomes == {"met": 1}
    assert board.classes["batch"].outcomes == {"aborted": 1, "rejected": 1}
    assert (board.tenants["acme"].tokens, board.tenants[""].arrived) == (20, 2)
    assert board.summary == STORY[6]


def test_only_the_latest_steps_are_kept():
    board = board_after(Step(number, 1, 1, 1, 1) for number in range(RECENT_STEPS + 5))
    assert [step.at_us for step in board.steps] == list(range(5, RECENT_STEPS + 5))


def test_after_a_gap_nobody_is_known_to_be_live_but_totals_stay():
    board = Board()
    for delivery in delivered(STORY[:8], STORY[8:12], gap_before={1}):
        board.receive(delivery)
    assert board.gaps == 1
    assert board.live == {}
    assert board.summary is None
    assert board.rotations == {"displaced": 1}
    assert board.classes[UNKNOWN].outcomes == {"met": 1}


@pytest.mark.parametrize(
    ("outcomes", "share"),
    [({}, None), ({"none": 3, "aborted": 1}, None), ({"met": 3, "missed": 1, "none": 9}, 0.75), ({"missed": 1}, 0.0)],
)
def test_attainment_counts_promises(outcomes, share):
    assert attained(outcomes) == share
