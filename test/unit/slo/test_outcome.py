import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.slo import SLO, Outcome, Timeline
from unit.strategies import slos

pytestmark = pytest.mark.unit

MS = 1000
ARRIVAL_US = 5_000_000


def timeline(*sends):
    """Sends of (total tokens, ms after arrival)."""
    line = Timeline(ARRIVAL_US)
    for tokens, after_ms in sends:
        line.record(tokens, ARRIVAL_US + after_ms * MS)
    return line


SENDS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1000)), max_size=8).map(
    lambda steps: [(sum(s[0] for s in steps[: i + 1]), sum(s[1] for s in steps[: i + 1])) for i in range(len(steps))]
)


def test_measures_of_a_steady_stream():
    line = timeline((1, 200), (2, 230), (3, 260))
    assert (line.ttft_ms, line.mean_tpot_ms, line.e2e_ms, line.max_gap_us) == (200, 30, 260, 30 * MS)


def test_a_burst_spreads_its_gap_over_its_tokens():
    line = timeline((1, 100), (5, 140), (6, 155))
    assert line.max_gap_us == 15 * MS
    assert line.mean_tpot_ms == 11


def test_a_first_burst_has_no_gap():
    line = timeline((4, 100))
    assert (line.ttft_ms, line.max_gap_us, line.mean_tpot_ms) == (100, 0, 0)


def test_calls_without_news_change_nothing():
    line = timeline((2, 100), (2, 500), (1, 600), (0, 700))
    assert (line.tokens, line.e2e_ms, line.max_gap_us) == (2, 100, 0)


def test_nothing_is_measured_before_the_first_token():
    line = timeline((0, 100))
    assert (line.ttft_ms, line.mean_tpot_ms, line.e2e_ms) == (None, None, None)


def test_an_answer_without_tokens_counts_as_delivered_at_its_end():
    line = timeline()
    line.close(ARRIVAL_US + 70 * MS)
    assert (line.ttft_ms, line.e2e_ms, line.mean_tpot_ms) == (70, 70, None)


def test_the_end_does_not_move_tokens_that_were_sent():
    line = timeline((1, 50))
    line.close(ARRIVAL_US + 70 * MS)
    assert line.e2e_ms == 50


@given(SENDS)
def test_the_mean_gap_is_never_above_the_longest(sends):
    line = timeline(*sends)
    if line.first_us is not None and line.tokens > 1:
        assert line.mean_tpot_ms * MS <= line.max_gap_us + 1


@pytest.mark.parametrize(
    ("slo", "sends", "verdict", "slack_ms"),
    [
        (SLO(), [(1, 10)], "none", {}),
        (SLO(cls="batch", kv="int4", tenant="t"), [(1, 10)], "none", {}),
        (SLO(ttft_ms=100), [(1, 100)], "met", {"ttft_ms": 0}),
        (SLO(ttft_ms=100), [(1, 101)], "missed", {"ttft_ms": -1}),
        (SLO(ttft_ms=100), [], "missed", {}),
        (SLO(tpot_ms=20), [(1, 500), (3, 540)], "met", {"tpot_ms": 0}),
        (SLO(tpot_ms=20), [(1, 500), (3, 542)], "missed", {"tpot_ms": -1}),
        (SLO(tpot_ms=20), [(1, 500)], "met", {}),
        (SLO(min_tps=50), [(1, 500), (3, 538)], "met", {"tpot_ms": 1}),
        (SLO(tpot_ms=20, min_tps=100), [(1, 0), (2, 15)], "missed", {"tpot_ms": -5}),
        (SLO(deadline_ms=300), [(1, 100), (9, 300)], "met", {"deadline_ms": 0}),
        (SLO(deadline_ms=300), [(1, 100), (9, 301)], "missed", {"deadline_ms": -1}),
        (SLO(ttft_ms=50, deadline_ms=300), [(1, 60), (2, 70)], "missed", {"ttft_ms": -10, "deadline_ms": 230}),
    ],
)
def test_verdicts(slo, sends, verdict, slack_ms):
    outcome = Outcome.of(slo, timeline(*sends))
    assert outcome.verdict == verdict
    assert outcome.slack_ms == pytest.approx(slack_ms)


@given(slos(), SENDS)
def test_the_report_is_flat_json_whose_parts_agree(slo, sends):
    report = Outcome.of(slo, timeline(*sends)).to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["outcome"] in (("met", "missed") if slo.has_target else ("none",))
    if report["outcome"] == "met":
        assert min(report["slack_ms"].values(), default=0) >= 0
    elif sends and report["outcome"] == "missed":
        assert min(report["slack_ms"].values()) <= 0


def test_the_report():
    outcome = Outcome.of(SLO(cls="interactive", ttft_ms=200, tenant="t"), timeline((1, 150), (2, 190)))
    assert outcome.to_dict() == {
        "class": "interactive",
        "targets": {"ttft_ms": 200, "tenant": "t"},
        "ttft_ms": 150,
        "mean_tpot_ms": 40,
        "max_tpot_ms": 40,
        "e2e_ms": 190,
        "outcome": "met",
        "slack_ms": {"ttft_ms": 50},
    }
