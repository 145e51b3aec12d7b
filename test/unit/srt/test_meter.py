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


def batch(*, decodes, reqs=(), beside=None, waits_for=-1):
    mode = SimpleNamespace(is_decode=lambda: decodes)
    everybody = [*reqs, *(beside or ())]
    return SimpleNamespace(forward_mode=mode, reqs=everybody, decoding_reqs=beside, hicache_consumer_index=waits_for)


DECODE = batch(decodes=True, reqs=decoding(4))
PREFILL = batch(decodes=False, reqs=prefilling((0, 100)))


def measured(*steps):
    """(decoding rows, prompt tokens, microseconds) of each step; given are (batch, tick in us, after idle)."""
    told = []
    meter = StepMeter(lambda load, elapsed_us: told.append((load.decode_rows, load.prefill_tokens, elapsed_us)))
    for step, now_us, after_idle in steps:
        meter.step(step, now_us, after_idle=after_idle)
    return told


def test_the_time_until_the_next_step_is_charged_to_the_step():
    steps = measured((DECODE, 1000, True), (PREFILL, 1030, False), (DECODE, 1260, False))
    assert steps == [(4, 0, 30), (0, 100, 230)]


def test_one_step_alone_has_no_length():
    assert measured((DECODE, 1000, False)) == []


def test_time_after_idling_is_charged_to_nobody():
    assert measured((DECODE, 1000, True), (DECODE, 9_000_000, True)) == []


@pytest.mark.parametrize("empty", [batch(decodes=False), batch(decodes=False, beside=[])])
def test_a_step_without_work_has_no_load(empty):
    assert measured((empty, 0, True), (DECODE, 500, False)) == [(0, 0, 500)]


def test_what_a_step_has_to_do():
    mixed = batch(decodes=False, reqs=prefilling((20, 120), (0, 10)), beside=decoding(4))
    assert load_of(mixed) == StepLoad(
        decode_rows=4, kv_tokens=440, prefill_tokens=110, prefill_pairs=100 * 20 + 5_000 + 50
    )


def test_a_step_that_waits_for_the_host_teaches_nothing():
    waits = batch(decodes=False, reqs=prefilling((64, 100)), waits_for=2)
    assert measured((waits, 1_000, False), (DECODE, 90_000, False), (PREFILL, 95_000, False)) == [(4, 0, 5_000)]
