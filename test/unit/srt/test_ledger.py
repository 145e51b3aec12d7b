from types import SimpleNamespace

import pytest

from superinfer.slo import SLO, SLOClasses, SLOPolicy
from superinfer.srt import clock as clock_module
from superinfer.srt.clock import ARRIVAL_KEY, TickClock
from superinfer.srt.ledger import Ledger, is_internal

pytestmark = pytest.mark.unit


class Observer:
    def __init__(self):
        self.first, self.ended = [], []

    def first_token(self, state):
        self.first.append(state.seq)

    def finished(self, state, outcome):
        self.ended.append((state.seq, outcome))


@pytest.fixture
def time_us(monkeypatch):
    now = [1_000_000]
    monkeypatch.setattr(clock_module, "read_us", lambda: now[0])
    return now


@pytest.fixture
def ledger(time_us):
    book = Ledger(SLOPolicy(SLOClasses()), TickClock(shared=False))
    book.observer = Observer()
    return book


def request(slo=None, *, rid="r", arrival_us=1_000_000, max_new_tokens=9, return_logprob=False):
    return SimpleNamespace(
        rid=rid,
        sampling_params=SimpleNamespace(
            custom_params={ARRIVAL_KEY: arrival_us, "slo": slo}, max_new_tokens=max_new_tokens
        ),
        output_ids=[],
        return_logprob=return_logprob,
    )


def test_the_state_is_opened_on_first_sight_and_kept(ledger):
    req = request({"class": "interactive", "ttft_ms": 5})
    state = ledger.state_of(req)
    assert ledger.state_of(req) is state
    assert (state.slo, state.rank, state.arrival_us) == (SLO(cls="interactive", ttft_ms=5), 0, 1_000_000)


def test_arrivals_are_numbered(ledger):
    assert [ledger.state_of(request()).seq for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("slo", [None, 5, {"ttft_ms": -1}, "not a name!"])
def test_what_cannot_be_understood_counts_as_the_default_class(ledger, slo):
    state = ledger.state_of(request(slo))
    assert (state.slo.cls, state.slo.has_target) == ("standard", False)


def test_a_settled_promise_is_taken_as_it_is(ledger):
    """Its class's targets are in it already: one that is missing was given up for another."""
    assert ledger.state_of(request({"class": "interactive", "deadline_ms": 5})).slo.ttft_ms is None


def test_an_unknown_class_ranks_last_instead_of_failing(ledger):
    assert ledger.state_of(request("gold")).rank > ledger.state_of(request("batch")).rank


def test_life_of_a_request(ledger, time_us):
    req = request({"class": "interactive", "ttft_ms": 100})
    ledger.sent(req)
    assert ledger.observer.first == []
    for tokens, now_us in ((1, 1_080_000), (3, 1_120_000)):
        req.output_ids, time_us[0] = [0] * tokens, now_us
        ledger.sent(req)
    report = ledger.close(req)
    assert (report["ttft_ms"], report["mean_tpot_ms"], report["outcome"]) == (80, 20, "met")
    assert (ledger.observer.first, ledger.observer.ended) == ([1], [(1, "met")])
    assert ledger.outcomes == {("interactive", "met"): 1}


def test_an_answer_without_tokens_is_delivered_at_its_end(ledger, time_us):
    req = request({"class": "interactive", "ttft_ms": 100})
    time_us[0] = 1_101_000
    assert ledger.close(req)["slack_ms"] == {"ttft_ms": -1}
    assert ledger.outcomes == {("interactive", "missed"): 1}


@pytest.mark.parametrize("early", ["aborted", "rejected"])
def test_a_request_that_ends_early_has_no_report_and_is_neither_met_nor_missed(ledger, early):
    assert ledger.close(request("interactive"), early) is None
    assert ledger.outcomes == {("interactive", early): 1}
    assert ledger.observer.ended == [(1, early)]


@pytest.mark.parametrize("req", [request(rid="HEALTH_CHECK_1"), request(max_new_tokens=0)])
def test_internal_requests_are_not_counted(ledger, req):
    assert is_internal(req)
    assert ledger.close(req)["outcome"] == "none"
    assert not ledger.outcomes
    assert ledger.observer.ended == []


def test_scoring_a_prompt_is_no_internal_request():
    assert not is_internal(request(max_new_tokens=0, return_logprob=True))
    assert not is_internal(request())


def test_works_without_an_observer(ledger):
    ledger.observer = None
    req = request()
    req.output_ids = [0]
    ledger.sent(req)
    assert ledger.close(req)["outcome"] == "none"
