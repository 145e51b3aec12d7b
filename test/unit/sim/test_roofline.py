from dataclasses import replace

import pytest

from superinfer.sched.step_time import StepLoad
from superinfer.sim.hardware import A100, hardware
from superinfer.sim.models import MODELS, model
from superinfer.sim.roofline import Roofline

pytestmark = pytest.mark.unit

LLAMA = model("llama-3.1-70b")


def test_kv_of_the_published_shape():
    assert LLAMA.kv_bytes_per_token == 320 * 1024
    assert model("llama-3.1-8b").kv_bytes_per_token == 128 * 1024


def test_four_a100_hold_about_420_thousand_tokens_beside_llama_70b():
    assert Roofline(hardware("a100x4"), LLAMA).kv_tokens == pytest.approx(418_000, rel=0.01)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="141 GB of weights leave no room"):
        Roofline(A100, LLAMA)


def test_decoding_is_bound_by_reading_and_prefill_by_computing():
    cost = Roofline(hardware("a100x4"), LLAMA)
    weights_us = 1e6 * LLAMA.parameters * 2 / (4 * 2.039e12 * 0.8)
    assert cost.step_us(StepLoad(1, 0)) == pytest.approx(weights_us + 2000, rel=0.01)
    compute_us = 1e6 * 2 * LLAMA.parameters * 4096 / (4 * 312e12 * 0.5)
    assert cost.step_us(StepLoad(prefill_tokens=4096)) == pytest.approx(compute_us + 2000, rel=0.01)


def test_nothing_takes_no_time_and_more_takes_longer():
    cost = Roofline(hardware("h100x8"), LLAMA)
    loads = [StepLoad(), StepLoad(1, 100), StepLoad(64, 200_000), StepLoad(64, 200_000, 8192, 8192 * 4096)]
    times = [cost.step_us(load) for load in loads]
    assert times[0] == 0
    assert times == sorted(times)


def test_few_tokens_read_few_experts():
    mixtral = MODELS["mixtral-8x7b"]
    assert mixtral.weight_bytes_read(1) == pytest.approx(2 * mixtral.active_parameters)
    assert mixtral.weight_bytes_read(1000) == pytest.approx(2 * mixtral.parameters)


@pytest.mark.parametrize("name", ["b200", "a100x0", "a100xmany", ""])
def test_unknown_hardware_names_the_known(name):
    with pytest.raises(ValueError, match="a100, h100, gh200, cpu"):
        hardware(name)


def test_unknown_models_name_the_known():
    with pytest.raises(ValueError, match=r"llama-3\.1-70b"):
        model("gpt-5")


def test_without_a_link_there_is_no_host():
    a100 = hardware("a100x4")
    assert Roofline(a100, LLAMA).has_host
    assert not Roofline(replace(a100, link_bytes_per_s=0), LLAMA).has_host
