import pytest

from superinfer.sim.cache.trace import numbered
from superinfer.sim.cache.ttft import first_tokens_ms
from unit.sim.cache.loads import request
from unit.sim.simulated import machine

pytestmark = pytest.mark.unit


def test_prompts_wait_for_those_before_them():
    load = numbered([request(0.0, [1, 2]), request(0.0, [1, 2]), request(1000.0, [1, 2])])
    alone = machine().prefill_alone_us(1024) / 1000
    first, second, third = first_tokens_ms(load, [0, 0, 0], machine(), rate=1.0)
    assert first == pytest.approx(alone, rel=0.01)
    assert (second, third) == (pytest.approx(2 * first), pytest.approx(first))


def test_what_was_found_is_not_computed():
    load = numbered([request(0.0, [1, 2])])
    (half,), (all_found,) = (first_tokens_ms(load, [hit], machine(), 1.0) for hit in (512, 1024))
    (whole,) = first_tokens_ms(load, [0], machine(), 1.0)
    assert half < 0.6 * whole
    assert all_found < 0.2 * whole
