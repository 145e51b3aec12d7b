from random import Random

import pytest

from superinfer.sched.step_time import StepLoad
from superinfer.sim.calibrate import Measured
from superinfer.sim.step_cost import StepCost
from superinfer.sim.swings import Swinging, Swings

pytestmark = pytest.mark.unit

TRUTH = StepCost((14_000.0, 900.0, 1.5), (9_000.0, 12_000.0, 1_100.0, 2.5, 1_250.0, 0.1))


def loads(count=400):
    random = Random(0)
    for number in range(count):
        rows = random.randint(0 if number % 2 else 1, 16)
        tokens = random.randint(1, 512) if number % 2 else 0
        context = random.randint(20, 400)
        yield StepLoad(rows, rows * random.randint(50, 900), tokens, tokens * context + tokens * tokens // 2)


def test_it_finds_the_prices_of_a_machine_that_does_one_thing_after_the_other():
    seen = list(loads())
    fitted = StepCost.fitted(seen, [TRUTH.step_us(load) for load in seen])
    assert fitted.decoding == pytest.approx(TRUTH.decoding, rel=0.02)
    assert fitted.computing == pytest.approx(TRUTH.computing, rel=0.05)


def test_decoding_beside_a_prompt_is_paid_on_top_of_it():
    alone, beside = StepLoad(0, 0, 100, 5_000), StepLoad(8, 4_000, 100, 5_000)
    assert TRUTH.step_us(beside) == TRUTH.step_us(alone) + 12_000 + 8 * 1_100 + 10_000


def test_a_pause_is_no_price():
    seen = list(loads())
    taken_us = [TRUTH.step_us(load) * (1 if number % 40 else 30) for number, load in enumerate(seen)]
    fitted = StepCost.fitted(seen, taken_us)
    for load in (StepLoad(4, 2_000), StepLoad(4, 2_000, 200, 40_000)):
        assert fitted.step_us(load) == pytest.approx(TRUTH.step_us(load), rel=0.15)


def test_no_price_is_negative():
    seen = [StepLoad(rows, 100 * rows) for rows in range(1, 30)] + [StepLoad(0, 0, n, n) for n in range(40, 70)]
    fitted = StepCost.fitted(seen, [50_000 - 500 * load.decode_rows for load in seen])
    assert min(*fitted.decoding, *fitted.computing) >= 0


def test_a_swinging_machine_is_as_much_off_as_it_was_kind_by_kind():
    machine = Swinging(Measured(TRUTH, 1_000, None), Swings((0.5, 2.0, 1.0), (0, 7)), Swings((1.5,), (0,)))
    load, prompt = StepLoad(1, 0), StepLoad(0, 0, 100, 5_000)
    taken_us = [machine.step_us(load), machine.step_us(load), machine.step_us(prompt), machine.step_us(load)]
    alone_us = TRUTH.step_us(prompt)
    assert taken_us == [round(14_900 * 0.5), 14_900 * 2 + 7, round(alone_us * 1.5), 14_900]
    assert machine.step_us(StepLoad()) == 0
    assert machine.prefill_alone_us(100) == machine.machine.prefill_alone_us(100)
    assert (machine.kv_tokens, machine.has_host, machine.load_back_us(9)) == (1_000, False, 0)
