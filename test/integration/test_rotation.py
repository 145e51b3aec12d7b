"""Rotation on the real engine: nobody can tell that requests were taken out and came back."""

import random

import pytest

from integration.conftest import STRICT
from superinfer.config import Config, RotationConfig
from support.engine import running_engine

pytestmark = pytest.mark.integration

LAYOUTS = {
    "overlap, pages of 1": {"page_size": 1},
    "overlap, pages of 16": {"page_size": 16, "chunked_prefill_size": 64},
    "no overlap, pages of 1": {"disable_overlap_schedule": True, "chunked_prefill_size": 32},
    "no overlap, pages of 16": {"disable_overlap_schedule": True, "page_size": 16},
}
SMALL = {"dtype": "float32", "max_total_tokens": 2048, "random_seed": 0}


def prompts(count, seed):
    """Prompts of very different lengths, some of which begin alike."""
    rng = random.Random(seed)
    shared = [rng.randrange(2, 250) for _ in range(40)]
    for index in range(count):
        own = [rng.randrange(2, 250) for _ in range(rng.choice([1, 3, 17, 90]))]
        yield (shared if index % 2 else []) + own


def generate(model, monkeypatch, rotation, layout, *, params=None, count=6, tokens=24):
    for name, value in STRICT.items():
        monkeypatch.setenv(name, value)
    config = Config(rotation=rotation)
    sampling = {"temperature": 0, "max_new_tokens": tokens, "ignore_eos": True} | (params or {})
    with running_engine(model_path=str(model), slo_config=config, **SMALL, **layout) as engine:
        outputs = engine.generate(input_ids=list(prompts(count, 7)), sampling_params=sampling)
    return [(output["output_ids"], output["meta_info"]["num_retractions"]) for output in outputs]


@pytest.fixture(scope="module")
def undisturbed(tiny_model):
    """Tokens without rotation."""
    with pytest.MonkeyPatch.context() as patch:
        outputs = generate(tiny_model, patch, RotationConfig(enabled=False), {})
    assert all(rotations == 0 for _, rotations in outputs)
    return [tokens for tokens, _ in outputs]


CASES = [*zip(LAYOUTS, [1, 2, 3, 16], strict=True), ("overlap, pages of 1", 5), ("no overlap, pages of 16", 1)]


@pytest.mark.parametrize(("layout", "every"), CASES)
def test_the_same_tokens_with_forced_rotation(tiny_model, monkeypatch, undisturbed, layout, every):
    outputs = generate(tiny_model, monkeypatch, RotationConfig(force_every=every), LAYOUTS[layout])
    assert [tokens for tokens, _ in outputs] == undisturbed
    assert sum(rotations for _, rotations in outputs) >= (10 if every < 3 else 1)
