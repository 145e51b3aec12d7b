import re

import msgspec
import pytest
from rich.console import Console

from superinfer.observe.board import Board
from superinfer.observe.events import Arrived, Step
from superinfer.observe.frame import TENANTS_SHOWN, frame
from superinfer.observe.server_state import ServerState
from unit.observe.histories import STORY
from unit.observe.states import scheduler, state

pytestmark = pytest.mark.unit


def shown(server=None, board=None, width=80):
    """The frame as text, runs of blanks made one."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(frame("title", msgspec.convert(server or state(), ServerState), board))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def board_after(events):
    board = Board()
    for event in events:
        board.fold(event)
    return board


def test_without_events_the_server_s_own_account_is_shown():
    assert shown() == [
        "title",
        "running 5 waiting 2",
        "longest wait 1.5 s decode step 20.3 ms",
        "class met missed none aborted rejected attained",
        "interactive 9 1 0 0 0 90%",
        "standard 0 0 0 0 0 –",
        "batch 0 0 4 2 0 –",
    ]


def test_several_schedulers_are_added_up():
    lines = shown(state(scheduler(), None, scheduler(waiting=[], waiting_total=0)))
    assert lines[1:3] == ["running 10 waiting 2", "longest wait 1.5 s decode step 20.3 ms 20.3 ms"]
    assert lines[4] == "interactive 18 2 0 0 0 90%"


def test_a_server_that_tells_nothing():
    assert shown(state(None))[1:3] == ["running 0 waiting 0", "longest wait – decode step"]


def test_events_add_queues_tenants_decisions_and_steps():
    assert shown(board=board_after(STORY[:11])) == [
        "title",
        "running 1 waiting 0 parked 1 tiers 1/0/1",
        "longest wait 0.0 s of 0.1 s decision 0.1 ms",
        "class waiting running parked met missed none aborted rejected attained",
        "interactive 0 1 0 9 1 0 0 0 90%",
        "standard 0 0 0 0 0 0 0 0 –",
        "batch 0 0 1 0 0 4 2 0 –",
        "tenant arrived tokens met missed none aborted rejected attained",
        "acme 1 0 0 0 0 0 0 –",
        "– 1 0 0 0 0 0 0 –",
        "rotations 1 displaced promoted 1 demoted 1",
        "relegations 1 deadline gaps 0",
        "step 1.0 ms median, 1.0 ms longest of 2",
        "rows 1 KV tokens 301 prefill tokens 0",
    ]


def test_before_the_first_event_the_server_s_account_stands():
    lines = shown(board=Board())
    assert lines[2] == "longest wait 1.5 s decode step 20.3 ms"
    assert lines[-1] == "step –"


def test_classes_that_only_events_know_are_shown():
    assert any(line.startswith("? 0 1 0") for line in shown(board=board_after(STORY[2:3])))


def test_the_busiest_tenants_come_first_and_the_rest_is_left_out():
    arrivals = [Arrived(0, "r", "batch", f"t{number}", 1, 0) for number in range(20) for _ in range(number + 1)]
    names = [line.split()[0] for line in shown(board=board_after(arrivals)) if re.match(r"t\d+ ", line)]
    assert names == [f"t{number}" for number in range(19, 19 - TENANTS_SHOWN, -1)]


def test_step_times():
    steps = [Step(0, 1, 1, 0, elapsed_us) for elapsed_us in (9_000, 1_000, 2_000)]
    assert shown(board=board_after(steps))[-2] == "step 2.0 ms median, 9.0 ms longest of 3"


def test_markup_in_names_is_text():
    lines = shown(board=board_after([Arrived(0, "r", "[red]c", "[/x]", 1, 0)]))
    assert any(line.startswith("[red]c 1 0 0") for line in lines)
    assert any(line.startswith("[/x] 1") for line in lines)


def test_it_fits_a_terminal():
    assert all("…" not in line for line in shown(board=board_after(STORY)))
