import dataclasses

import pytest

import superinfer
from superinfer import SLO, SLOReport, gen, select
from superinfer.lang import CallReport, Function

pytestmark = pytest.mark.unit


def program(s):
    s += "hello" + gen("a", slo={"class": "interactive"})
    forks = s.fork(2)
    for fork in forks:
        fork += "?" + gen("tip")
        fork.sync()
    forks.join()


@pytest.fixture
def report(server, clock):
    server.takes_ms = 300
    return Function(program, slo=SLO(deadline_ms=1000), clock=clock).run(backend=server).slo_report()


def test_every_call_with_its_promise_and_result(report):
    assert [(call.name, call.branch) for call in report.calls] == [("a", ""), ("tip", "0"), ("tip", "1")]
    assert [call.slo for call in report.calls] == [
        SLO(cls="interactive", deadline_ms=1000),
        # The prefill before the fork took 300 ms, too.
        SLO(deadline_ms=400),
        SLO(deadline_ms=100),
    ]
    assert [call.outcome for call in report.calls] == ["met", "met", "missed"]
    assert [call.elapsed_ms for call in report.calls] == [300, 300, 300]
    assert report.calls[0].results == ({"class": "interactive", "outcome": "met"},)
    assert not any(call.late for call in report.calls)


def test_the_program_as_a_whole(report):
    assert (report.elapsed_ms, report.deadline_ms, report.outcome) == (1200, 1000, "missed")
    assert (report.calls_met, report.calls_missed) == (2, 1)
    assert (report.cached_tokens, report.prompt_tokens, report.prefix_hits) == (9, 5 + 18 + 18, 3)
    assert report.finished


def test_it_is_frozen(report):
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.deadline_ms = 1


def test_it_prints_as_a_table(report):
    text = str(report)
    assert text.splitlines()[0].strip() == "1200 ms of 1000 ms: missed"
    assert "class interactive, deadline_ms 1000" in text
    assert "tip (fork 1)" in text
    assert text.splitlines()[-1].strip() == "calls met 2, missed 1, of 3; 9 of 41 prompt tokens cached"


def test_late_calls_are_marked(server, clock):
    server.takes_ms = 700
    report = Function(program, slo=SLO(deadline_ms=600), clock=clock).run(backend=server).slo_report()
    assert [call.late for call in report.calls] == [False, True, True]
    assert report.calls[1].slo == SLO()
    assert "none, late" in str(report)


def test_without_a_deadline_the_program_has_no_verdict(server, clock):
    report = Function(program, clock=clock).run(backend=server).slo_report()
    assert (report.outcome, report.deadline_ms) == ("none", None)
    assert [call.outcome for call in report.calls] == ["met", "none", "none"]


def test_exactly_on_time_is_met(server, clock):
    server.takes_ms = 300
    report = Function(program, slo=SLO(deadline_ms=1200), clock=clock).run(backend=server).slo_report()
    assert report.outcome == "met"


def test_time_after_the_end_does_not_count(server, clock):
    state = Function(program, slo=SLO(deadline_ms=100), clock=clock).run(backend=server)
    clock.advance(5000)
    assert state.slo_report().outcome == "met"


def test_a_program_may_look_at_its_own_report(server, clock):
    def body(s):
        s += "x" + gen("a")
        clock.advance(50)
        return s.slo_report()

    report = Function(body, slo=SLO(deadline_ms=100), clock=clock).run(backend=server).ret_value
    assert [call.name for call in report.calls] == ["a"]
    assert not report.finished
    assert "50 ms so far of 100 ms" in str(report)


def test_a_choice_counts_all_its_requests(server):
    body = superinfer.function(lambda s: s.__iadd__("x" + select("c", ["a", "b"], slo="batch")))
    [call] = body.run(backend=server).slo_report().calls
    assert len(call.answers) == 3
    assert (call.outcome, call.prompt_tokens, call.cached_tokens) == ("met", 5, 9)


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [([], "none"), (["none"], "none"), (["none", "met"], "met"), (["met", "missed", "met"], "missed")],
)
def test_one_miss_is_a_miss(verdicts, outcome):
    answers = tuple({"slo": {"outcome": verdict}} for verdict in verdicts)
    assert CallReport("a", "", SLO(), False, 1.0, answers).outcome == outcome


def test_a_server_that_reports_nothing_is_no_error():
    call = CallReport(None, "", SLO(), False, None, ({"prompt_tokens": 3}, {"cached_tokens": None}))
    assert (call.outcome, call.prompt_tokens, call.cached_tokens) == ("none", 3, 0)
    assert "running" in str(SLOReport((call,), None, 1.0, finished=False))
