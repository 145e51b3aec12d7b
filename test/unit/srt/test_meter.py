from types import SimpleNamespace

import pytest

from superinfer.sched.step_time import StepLoad
from superinfer.srt.meter import StepMeter, load_of

pytestmark = pytest.mark.unit


class Req(SimpleNamespace):
    __hash__ = object.__hash__


def decoding(count):
    """Requests that have read 100 tokens and produced 10."""
    return [Req(index=index, origin_input_ids=[0] * 100, output_ids=[0] * 10) for index in range(count)]


def prefilling(*parts):
    """Requests whose tokens from ``begin`` to ``end`` are computed."""
    return [Req(prefix_len=begin, extend_end=end) for begin, end in parts]


def batch(*, decodes, reqs=(), beside=None):
    mode = SimpleNamespace(is_decode=lambda: decodes)
    return SimpleNamespace(forward_mode=mode, reqs=[*reqs, *(beside or ())], decoding_reqs=beside)


DECODE = batch(decodes=True, reqs=decoding(4))
PREFILL = batch(decodes=False, reqs=prefilling((0, 100)))


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
    mixed = batch(decodes=False, reqs=prefilling((20, 120)), beside=decoding(4))
    cost = measured((mixed, 0, True), (DECODE, 300, False))
    assert (cost.decode_us(1), cost.prefill_token_us) == (0, 3.0)


@pytest.mark.parametrize("empty", [batch(decodes=False), batch(decodes=False, beside=[])])
def test_a_step_without_work_teaches_nothing(empty):
    cost = measured((empty, 0, True), (DECODE, 500, False))
    assert (cost.decode_us(1), cost.prefill_token_us) == (0, 0)


def test_what_a_step_has_to_do():
    mixed = batch(decodes=False, reqs=prefilling((20, 120), (0, 10)), beside=decoding(4))
    assert load_of(mixed) == StepLoad(
        decode_rows=4, kv_tokens=440, prefill_tokens=110, prefill_pairs=100 * 20 + 5_000 + 50
    )


def test_whoever_learns_is_told_of_each_step():
    told = []
    meter = StepMeter(learn=lambda load, elapsed_us: told.append((load.decode_rows, load.prefill_tokens, elapsed_us)))
    for step, now_us in ((DECODE, 1000), (PREFILL, 1030), (DECODE, 1260)):
        meter.step(step, now_us, after_idle=False)
    assert told == [(4, 0, 30), (0, 100, 230)]
