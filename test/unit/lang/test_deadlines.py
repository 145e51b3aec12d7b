"""The deadline of a program, of its branches and of its calls."""

import pytest

from superinfer import SLO, gen, select
from superinfer.lang import DeadlineExceeded, Function
from unit.lang.fake import slo_of

pytestmark = pytest.mark.unit


def three_calls(s):
    for name in "abc":
        s += gen(name, max_tokens=4)


def deadlines(server):
    return [slo and slo.get("deadline_ms") for slo in server.slos]


def run(body, server, clock, deadline_ms=1000, **kwargs):
    return Function(body, slo=SLO(deadline_ms=deadline_ms), clock=clock).run(backend=server, **kwargs)


def test_each_call_is_sent_with_what_is_left(server, clock):
    server.takes_ms = 300.5
    run(three_calls, server, clock)
    assert deadlines(server) == [1000, 699, 399]


def test_the_clock_starts_with_the_run(server, clock):
    program = Function(three_calls, slo=SLO(deadline_ms=1000), clock=clock)
    clock.advance(5000)
    program.run(backend=server)
    assert deadlines(server)[0] == 1000


def test_time_outside_of_calls_counts(server, clock):
    def body(s):
        clock.advance(250)
        s += gen("a")

    run(body, server, clock)
    assert deadlines(server) == [750]


def test_forks_share_the_programs_deadline(server, clock):
    def body(s):
        s += "x"
        clock.advance(100)
        for branch in s.fork(2):
            branch += gen("a")
            branch.sync()
            clock.advance(100)

    run(body, server, clock)
    assert deadlines(server) == [900, 800]


def test_the_deadline_of_a_branch_begins_with_the_fork_and_tightens_the_programs(server, clock):
    def body(s):
        clock.advance(100)
        for branch in s.fork(2, slo=[{"deadline_ms": 500}, {"deadline_ms": 5000}]):
            clock.advance(50)
            branch += gen("a")
            branch.sync()

    run(body, server, clock)
    assert deadlines(server) == [450, 800]


@pytest.mark.parametrize(("own_ms", "sent_ms"), [(200, 200), (700, 700), (5000, 700)])
def test_the_deadline_of_a_call_is_tightened_by_the_programs(server, clock, own_ms, sent_ms):
    def body(s):
        clock.advance(300)
        s += gen("a", slo=SLO(deadline_ms=own_ms))

    run(body, server, clock)
    assert deadlines(server) == [sent_ms]


def test_the_deadline_of_a_call_is_its_own_only(server, clock):
    def body(s):
        s += gen("a", slo=SLO(deadline_ms=200)) + gen("b")

    server.takes_ms = 150
    run(body, server, clock, deadline_ms=None)
    assert deadlines(server) == [200, None]


def test_each_request_of_a_choice_is_sent_with_what_is_left(server, clock):
    server.takes_ms = 100

    def body(s):
        s += "x" + select("a", ["yes", "no"], slo=SLO(deadline_ms=800))

    run(body, server, clock)
    assert [slo_of(payload)["deadline_ms"] for payload in server.payloads] == [800, 700]


@pytest.mark.parametrize("level", ["decorator", "bind", "run"])
def test_late_calls_follow_on_late_of_the_nearest_level(server, clock, level):
    levels = ["decorator", "bind", "run"]
    on_late = ["raise" if levels.index(name) < levels.index(level) else None for name in levels]
    on_late[levels.index(level)] = "relax"
    program = Function(three_calls, slo=SLO(deadline_ms=1000, cls="interactive"), on_late=on_late[0], clock=clock)
    server.takes_ms = 600
    program.bind(on_late=on_late[1]).run(on_late=on_late[2], backend=server)
    assert server.slos == [
        {"class": "interactive", "deadline_ms": 1000},
        {"class": "interactive", "deadline_ms": 400},
        {"class": "batch"},
    ]


def test_late_calls_go_on_without_deadline_unless_told_otherwise(server, clock):
    server.takes_ms = 600
    run(three_calls, server, clock, slo="interactive")
    assert server.slos[2] == {"class": "interactive"}


def test_a_calls_own_deadline_holds_when_the_programs_has_passed(server, clock):
    def body(s):
        clock.advance(2000)
        s += gen("a", slo=SLO(deadline_ms=300))

    run(body, server, clock)
    assert deadlines(server) == [300]


def test_on_late_raise_ends_the_program_before_the_late_call(server, clock):
    server.takes_ms = 600
    with pytest.raises(DeadlineExceeded, match="deadline of 1000 ms passed 200 ms ago"):
        run(three_calls, server, clock, on_late="raise")
    assert len(server.calls) == 2


def test_a_program_can_catch_that_it_is_late(server, clock):
    def body(s):
        clock.advance(2000)
        branch = s.fork(1)[0]
        branch += gen("long")
        try:
            return branch["long"]
        except DeadlineExceeded:
            return "sorry"

    assert run(body, server, clock, on_late="raise").ret_value == "sorry"
    assert server.calls == []


def test_each_run_of_a_batch_has_a_clock_of_its_own(server, clock):
    server.takes_ms = 700
    program = Function(lambda s: s.__iadd__(gen("a")), slo=SLO(deadline_ms=1000), clock=clock)
    program.run_batch([{}, {}, {}], num_threads=1, backend=server)
    assert deadlines(server) == [1000, 1000, 1000]


def test_a_bad_on_late_is_an_error_where_it_is_given(server):
    program = Function(three_calls)
    for give in (lambda: program.bind(on_late="?"), lambda: program.run(on_late="?", backend=server)):
        with pytest.raises(ValueError, match="on_late must be one of"):
            give()
