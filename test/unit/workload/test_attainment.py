import pytest

from superinfer.slo import SLO, Outcome, Timeline
from superinfer.workload.attainment import Served, attainment, percentile

pytestmark = pytest.mark.unit


def served(ttft_ms, promised_ms=1000):
    line = Timeline(0)
    line.record(1, ttft_ms * 1000)
    return Served(Outcome.of(SLO(ttft_ms=promised_ms), line), 10, 1)


def test_refused_requests_are_sent_and_not_met():
    summary = attainment([served(500), served(2000), Served(None, 10, 0), served(900)])
    assert (summary.sent, summary.met, summary.share) == (4, 2, 0.5)
    assert summary.norm_p99 == pytest.approx(2.0)
    assert (summary.ttft_p50_ms, summary.ttft_p99_ms) == (900, 2000)


def test_of_nothing():
    summary = attainment([])
    assert (summary.sent, summary.share, summary.ttft_p99_ms) == (0, 1.0, 0.0)


@pytest.mark.parametrize(("percent", "value"), [(50, 5), (90, 9), (99, 10), (100, 10), (1, 1)])
def test_percentiles_are_by_nearest_rank(percent, value):
    assert percentile(list(range(10, 0, -1)), percent) == value
