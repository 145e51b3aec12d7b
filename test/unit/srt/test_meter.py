from types import SimpleNamespace

import pytest

from superinfer.srt.meter import StepMeter

pytestmark = pytest.mark.unit


def batch(*, decoding, reqs=0, extend_num_tokens=None, decoding_reqs=None):
    return SimpleNamespace(
        forward_mode=SimpleNamespace(is_decode=lambda: decoding),
        reqs=[None] * reqs,
        extend_num_tokens=extend_num_tokens,
        decoding_reqs=decoding_reqs,
    )


DECODE = batch(decoding=True, reqs=4, extend_num_tokens=512)  # the count is a leftover of the prefill before it
PREFILL = batch(decoding=False, reqs=1, extend_num_tokens=100)


def measured(*steps):
    """Steps of (batch, tick in us, after idle)."""
    meter = StepMeter()
    for step, now_us, after_idle in steps:
        meter.step(step, now_us, after_idle=after_idle)
    return meter.cost


def test_the_time_until_the_next_step_is_charged_to_the_step():
    cost = measured((DECODE, 1000, True), (PREFILL, 1030, False), (DECODE, 1260, False))
    assert (cost.decode_us(1), cost.prefill_token_us) == (30, 2.0)


def test_one_step_alone_has_no_length():
    assert measured((DECODE, 1000, False)).decode_us(1) == 0


def test_time_after_idling_is_charged_to_nobody():
    assert measured((DECODE, 1000, True), (DECODE, 9_000_000, True)).decode_us(1) == 0


def test_a_mixed_step_is_charged_to_its_prompt():
    mixed = batch(decoding=False, reqs=5, extend_num_tokens=100, decoding_reqs=[None] * 4)
    cost = measured((mixed, 0, True), (DECODE, 300, False))
    assert (cost.decode_us(1), cost.prefill_token_us) == (0, 3.0)


@pytest.mark.parametrize("empty", [batch(decoding=False), batch(decoding=False, extend_num_tokens=0, decoding_reqs=[])])
def test_a_step_without_work_teaches_nothing(empty):
    cost = measured((empty, 0, True), (DECODE, 500, False))
    assert (cost.decode_us(1), cost.prefill_token_us) == (0, 0)
