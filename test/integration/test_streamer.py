"""Who is told what after a step."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from sglang.srt.managers.scheduler_components.output_streamer import SchedulerOutputStreamer

from superinfer.srt.streamer import SLOOutputStreamer

pytestmark = pytest.mark.integration


def request(tokens, sent, *, retracted, finished=False):
    return SimpleNamespace(
        output_ids=[5] * tokens,
        send_token_offset=sent,
        is_retracted=retracted,
        finished=lambda: finished,
        finished_output=False,
    )


def test_who_was_taken_out_is_told_what_is_new_and_nothing_else(monkeypatch):
    told = []
    monkeypatch.setattr(SchedulerOutputStreamer, "stream_output", lambda self, reqs, *_: told.extend(reqs))
    streamer = SLOOutputStreamer.__new__(SLOOutputStreamer)
    streamer.ledger = MagicMock()
    void, parked, news = (request(*counts, retracted=True) for counts in ((0, 0), (7, 7), (8, 7)))
    ended, runs = request(7, 7, retracted=True, finished=True), request(7, 7, retracted=False)
    streamer.stream_output([void, parked, news, ended, runs], return_logprob=False)
    assert told == [news, ended, runs]
    assert [call.args[0] for call in streamer.ledger.sent.call_args_list] == told
