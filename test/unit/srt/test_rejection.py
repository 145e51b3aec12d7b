import pytest

from superinfer.srt.exchange import Exchange
from superinfer.srt.rejection import early_end, reason, retry_after_s

pytestmark = pytest.mark.unit

REFUSED = {"meta_info": {"finish_reason": reason(7)}}
ABORTED = {"meta_info": {"finish_reason": {"type": "abort", "message": "Aborted", "status_code": 503}}}
RUNNING = {"meta_info": {"finish_reason": None}}
DONE = {"meta_info": {"finish_reason": {"type": "length", "length": 3}}}


def test_the_reason_says_when_to_try_again():
    assert reason(7)["status_code"] == 429
    assert "try again in 7 s" in reason(7)["message"]


@pytest.mark.parametrize(
    ("given", "expected"), [(None, "aborted"), ({"type": "abort"}, "aborted"), (reason(1), "rejected")]
)
def test_a_refusal_is_told_from_an_abort(given, expected):
    assert early_end(given) == expected


@pytest.mark.parametrize("output", [ABORTED, RUNNING, DONE, {}, [], [REFUSED, DONE], [RUNNING]])
def test_what_was_not_refused_as_a_whole_is_answered(output):
    assert retry_after_s(output) is None


@pytest.mark.parametrize(
    ("output", "seconds"), [(REFUSED, 7), ([REFUSED, {"meta_info": {"finish_reason": reason(9)}}], 9)]
)
def test_a_refusal_is_found_in_an_output(output, seconds):
    assert retry_after_s(output) == seconds
    exchange = Exchange()
    exchange.observe(output)
    exchange.observe(DONE)
    assert exchange.retry_after_s == seconds
