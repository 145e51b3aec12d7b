"""Bounds of a machine and a model that are easy to compute with."""

import pytest
from benchmark.engine.bounds import bound_tok_s, bytes_per_weight
from benchmark.engine.limits import Limits
from benchmark.engine.shape import ModelShape
from benchmark.engine.workloads import Decode, Mixed, Prefill

pytestmark = pytest.mark.unit

LIMITS = Limits(read_bytes_per_s=4_000.0, fp32_flop_per_s=20_000.0, huge_pages=1.0)
# Without attention: 4000 bytes, read in 1 s, and 2000 operations a token, or 10 tokens in 1 s.
PLAIN = ModelShape(body=900, head=100, kv_numbers=0, pair_flop=0, half=True)
ATTENTIVE = ModelShape(body=900, head=100, kv_numbers=10, pair_flop=100, half=True)


def bound(workload, shape=PLAIN, weight_bytes=4_000):
    return bound_tok_s(workload, shape, LIMITS, weight_bytes)


@pytest.mark.parametrize(("batch", "bound_tok_s"), [(1, 1.0), (10, 10.0), (20, 10.0)])
def test_decode_is_bound_by_memory_and_then_by_arithmetic(batch, bound_tok_s):
    assert bound(Decode(batch)) == pytest.approx(bound_tok_s)


def test_weights_of_half_the_size_are_read_in_half_the_time():
    assert bound(Decode(1), weight_bytes=2_000) == pytest.approx(2.0)


def test_decode_reads_the_kv_cache_as_it_grows():
    # Two steps, with 16 and 17 positions of 40 bytes in the cache of each of two requests.
    read_bytes = 2 * 4_000 + 2 * (16 + 17) * 40
    assert bound(Decode(2, new_tokens=3), ATTENTIVE) == pytest.approx(2 * 2 * 4_000 / read_bytes)


def test_decode_computes_attention_over_it():
    flop = 20 * (2 * 2_000 + (17 + 18) * 100)
    found = bound_tok_s(Decode(20, new_tokens=3), ATTENTIVE, Limits(1e9, 20_000.0, 1.0), 4_000)
    assert found == pytest.approx(20 * 2 * 20_000 / flop)


def test_prefill_computes_the_head_for_one_token():
    assert bound(Prefill(100)) == pytest.approx(100 / ((1_800 * 100 + 200) / 20_000))


def test_prefill_attends_to_what_came_before():
    flop = 1_800 * 100 + 200 + 5_050 * 100
    assert bound(Prefill(100), ATTENTIVE) == pytest.approx(100 * 20_000 / flop)


def test_a_short_prompt_is_bound_by_reading_the_weights():
    assert bound(Prefill(2)) == pytest.approx(2.0)


def test_cached_tokens_are_read_and_not_computed():
    flop = 1_800 * 16 + 200 + sum(range(85, 101)) * 100
    assert bound(Prefill(100, cached=True), ATTENTIVE) == pytest.approx(100 * 20_000 / flop)
    read_bytes = 4_000 + 9_984 * 40
    assert bound_tok_s(Prefill(10_000, cached=True), ATTENTIVE, Limits(4_000.0, 1e12, 1.0), 4_000) == pytest.approx(
        10_000 * 4_000 / read_bytes
    )


def test_the_mixed_workload_has_none():
    assert bound(Mixed()) is None


def test_only_an_engine_that_keeps_16_bits_is_bound_by_them_and_only_if_the_checkpoint_has_no_more():
    wide = ModelShape(body=900, head=100, kv_numbers=0, pair_flop=0, half=False)
    assert [bytes_per_weight(engine, PLAIN) for engine in ("superinfer", "stock", "vllm")] == [2, 4, 4]
    assert bytes_per_weight("superinfer", wide) == 4
