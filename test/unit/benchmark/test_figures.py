"""Figures of answers whose times are made up."""

import pytest
from benchmark.engine.client import Answer
from benchmark.engine.figures import figures
from benchmark.engine.workloads import Decode, Mixed, Prefill, Request, Urgency

pytestmark = pytest.mark.unit


def answer(sent_s, first_s, last_s, *, prompt=16, new=64, urgency=Urgency.PLAIN):
    return Answer(Request([1] * prompt, new, urgency=urgency), sent_s, first_s, last_s)


def test_decode_counts_tokens_after_the_first_from_the_batchs_first_token_to_its_last():
    answers = [answer(0, 1.0, 2.5, new=11), answer(0, 1.5, 3.0, new=11)]
    assert figures(Decode(2), answers) == {"decode_2_tok_s": pytest.approx(20 / 2.0)}


def test_prefill_is_prompt_tokens_over_time_to_first_token():
    answers = [answer(0, 0.5, 0.6, prompt=100, new=1), answer(10, 11.5, 11.6, prompt=100, new=1)]
    assert figures(Prefill(100), answers) == {"prefill_100_tok_s": pytest.approx(100.0)}


def test_a_cached_prompt_counts_in_full():
    answers = [answer(0, 0.1, 0.1, prompt=512, new=1)]
    assert figures(Prefill(512, cached=True), answers) == {"cached_prefill_512_tok_s": pytest.approx(5_120.0)}


def test_mixed():
    found = figures(
        Mixed(),
        [
            answer(100, 103, 108, new=60, urgency=Urgency.BATCH),
            answer(101, 101.2, 102, new=20, urgency=Urgency.CHAT),
            answer(106, 107, 110, new=20, urgency=Urgency.CHAT),
        ],
    )
    assert found == {
        "mixed_tok_s": pytest.approx(10.0),
        "mixed_chat_ttft_p50_ms": pytest.approx(200),
        "mixed_chat_ttft_p99_ms": pytest.approx(1_000),
        "mixed_chat_e2e_p50_ms": pytest.approx(1_000),
        "mixed_chat_e2e_p99_ms": pytest.approx(4_000),
        "mixed_batch_done_ms": pytest.approx(8_000),
    }
