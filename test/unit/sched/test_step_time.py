import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from superinfer.sched.step_time import StepLoad, StepTime

pytestmark = pytest.mark.unit


def machine_us(load: StepLoad) -> int:
    """A machine with two roofs."""
    reading = 20_000 + 50 * load.decode_rows + 0.1 * load.kv_tokens
    computing = 3_000 + 200 * (load.prefill_tokens + load.decode_rows) + 0.002 * load.prefill_pairs
    return round(max(reading, computing if load.prefill_tokens else 0))


@pytest.fixture
def step_time():
    learnt = StepTime()
    for round_ in range(20):
        for rows in (1, 8, 32):
            learnt.observe(load := StepLoad(rows, rows * (300 + 40 * round_)), machine_us(load))
        for tokens in (128, 512, 2048):
            learnt.observe(load := StepLoad(4, 900, tokens, tokens * (100 + tokens // 2)), machine_us(load))
    return learnt


@pytest.mark.parametrize("load", [StepLoad(16, 9000), StepLoad(0, 0, 1000, 500_000), StepLoad(8, 4000, 700, 400_000)])
def test_predictions_are_near_the_machine(step_time, load):
    assert step_time.predict_us(load) == pytest.approx(machine_us(load), rel=0.05)


def test_what_those_who_decode_read_beside_a_prompt_is_paid_on_top():
    learnt = StepTime()

    def taken_us(load):
        return round(14_000 + 500 * (load.prefill_tokens + load.decode_rows) + 2.0 * load.kv_tokens)

    for number in range(60):
        load = StepLoad(2 + number % 30, (2 + number % 30) * (200 + 7 * (number % 11)), 64 + number % 150, 10_000)
        learnt.observe(load, taken_us(load))
    crowded = StepLoad(32, 9_000, 100, 10_000)
    assert learnt.predict_us(crowded) == pytest.approx(taken_us(crowded), rel=0.03)
    fewer, more = (learnt.prefill_tokens_within(150_000, StepLoad(rows, 280 * rows), 100) for rows in (30, 10))
    assert 100 < fewer < more - 25


def test_pauses_and_what_was_not_known_yet_do_not_count_as_errors_of_prompts():
    learnt = StepTime()
    for number in range(400):
        load = StepLoad(4, 1_000, 64 + number % 150, 10_000)
        learnt.observe(load, round(machine_us(load) * (20 if number % 50 == 49 else 1)))
    assert learnt.prompt_error < 0.05 < learnt.error


def test_the_calibration_error_is_small_once_learnt(step_time):
    assert step_time.error < 0.2


@given(budget_us=st.integers(0, 2_000_000), rows=st.integers(0, 64), context=st.integers(0, 8000))
def test_prefill_tokens_use_the_budget_and_keep_it(budget_us, rows, context):
    step_time = StepTime()
    for tokens in (128, 512, 2048, 100, 700):
        for other in (0, 1000, 4000):
            step_time.observe(load := StepLoad(rows, 0, tokens, tokens * (other + tokens // 2)), machine_us(load))
    decode = StepLoad(rows, rows * 100)
    tokens = step_time.prefill_tokens_within(budget_us, decode, context)

    def taken_us(count):
        pairs = count * context + count * count // 2
        return step_time.predict_us(StepLoad(rows, rows * 100, count, pairs))

    assume(tokens > 0)
    assert taken_us(tokens) <= budget_us * 1.01 + 2
    assert taken_us(tokens + 2) >= budget_us * 0.99 - 2


def test_steps_without_length_or_work_teach_nothing():
    step_time = StepTime()
    step_time.observe(StepLoad(3, 100), 0)
    step_time.observe(StepLoad(), 1000)
    assert step_time.predict_us(StepLoad(3, 100)) == 0
    assert step_time.prefill_us(0) == 0
