"""KV memory of several formats on the real engine: who accepts native pages only never notices it."""

import random
from functools import cache

import pytest

from integration.conftest import STRICT
from superinfer.config import CacheConfig, Config, HostConfig, KvConfig, RotationConfig
from support.engine import running_engine

pytestmark = pytest.mark.integration

SMALL = {"dtype": "float32", "random_seed": 0, "chunked_prefill_size": 64}
ROOMY = KvConfig(budget="4m", regions="native:0.4,int8:0.1,int4:0.5", seal="full")
TIGHT = KvConfig(budget="768k", regions="native:0.5,int8:0.25,int4:0.25", seal="full")
"""For 1,500 tokens or so: half of what the requests below come to."""
ROOMY_LATE = KvConfig(budget="16m", regions="native:0.8,int8:0.1,int4:0.1")
TIGHT_LATE = KvConfig(budget="768k", regions="native:0.5,int8:0.25,int4:0.25")
AUTO = KvConfig(budget="1m", seal="full")
AUTO_LATE = KvConfig(budget="1m")
THROUGH, BACK = HostConfig(kv_bytes="4m"), HostConfig(kv_bytes="4m", write="back")
SMALL_HOST = HostConfig(kv_bytes="128k", write="back", link_bytes_per_s="1m")


def prompts(count):
    """Prompts of very different lengths, some of which begin alike."""
    rng = random.Random(3)
    shared = [rng.randrange(2, 250) for _ in range(70)]
    for index in range(count):
        yield (shared if index % 4 < 2 else []) + [rng.randrange(2, 250) for _ in range(rng.choice([5, 33, 100, 200]))]


def classes(count):
    return ["interactive", "batch", "standard", "batch"] * (count // 4)


def generate(model, kv, *, force_every=0, count=12, tokens=80, cls=None, eviction=None, host=None, **layout):
    """Tokens of every request; half of them are batch requests, unless ``cls`` says otherwise."""
    sampling = [
        {
            "temperature": 0,
            "max_new_tokens": tokens,
            "ignore_eos": True,
            "custom_params": {"slo": {"class": cls or own}},
        }
        for own in classes(count)
    ]
    rotation, cache = RotationConfig(force_every=force_every), CacheConfig(eviction=eviction)
    settings = Config(kv=kv, rotation=rotation, cache=cache, host=host or HostConfig())
    limit = {} if kv.budget else {"max_total_tokens": 8192}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STRICT.items():
            patch.setenv(name, value)
        with running_engine(model_path=str(model), slo_config=settings, **SMALL, **limit, **layout) as engine:
            outputs = engine.generate(input_ids=list(prompts(count)), sampling_params=sampling)
    return [output["output_ids"] for output in outputs]


@pytest.fixture(scope="module")
def all_native(tiny_model):
    """Tokens without any of this."""
    return generate(tiny_model, KvConfig())


def native_ones(outputs):
    return [tokens for tokens, cls in zip(outputs, classes(len(outputs)), strict=True) if cls != "batch"]


CASES = {
    "room for all": (ROOMY, 0, {}),
    "room for all, no overlap": (ROOMY, 0, {"disable_overlap_schedule": True}),
    "taken out all the time": (ROOMY, 2, {}),
    "taken out all the time, no overlap": (ROOMY, 3, {"disable_overlap_schedule": True}),
    "room for half": (TIGHT, 0, {}),
    "room for half, taken out all the time": (TIGHT, 5, {}),
    "room for half, sealed late": (TIGHT_LATE, 0, {}),
    "room for half, sealed late, taken out all the time": (TIGHT_LATE, 5, {}),
    "room for half, sealed late, taken out all the time, LRU": (TIGHT_LATE, 4, {"eviction": "lru"}),
    "room for half, sealed late, taken out all the time, SGLang's cache": (TIGHT_LATE, 5, {"eviction": "sglang"}),
    "boundaries move": (AUTO, 0, {}),
    "boundaries move, taken out all the time": (AUTO, 5, {"disable_overlap_schedule": True}),
    "boundaries move, sealed late, taken out all the time": (AUTO_LATE, 5, {}),
    "room for half, a host": (TIGHT, 5, {"host": BACK}),
    "room for half, sealed late, a host that is written through": (TIGHT_LATE, 4, {"host": THROUGH}),
    "room for half, a small host with a slow link": (TIGHT, 3, {"host": SMALL_HOST}),
    "boundaries move, sealed late, a host": (AUTO_LATE, 4, {"host": BACK}),
    "boundaries move, a host that is written through": (AUTO, 3, {"host": THROUGH}),
}


@pytest.fixture(scope="module")
def answers(tiny_model):
    """A function: the tokens of a case."""

    @cache
    def answer(case):
        kv, force_every, layout = CASES[case]
        return generate(tiny_model, kv, force_every=force_every, **layout)

    return answer


@pytest.mark.parametrize("case", CASES)
def test_who_accepts_native_only_gets_the_same_tokens(answers, all_native, case):
    outputs = answers(case)
    assert native_ones(outputs) == native_ones(all_native)
    assert all(len(tokens) == 80 for tokens in outputs)


def test_while_there_is_enough_native_memory_nobody_notices_anything(tiny_model, all_native):
    assert generate(tiny_model, ROOMY_LATE, force_every=3) == all_native


def test_sealed_pages_are_read(answers, all_native):
    """Four bits change a random model's tokens sooner or later; that they do shows that they are read."""
    outputs = answers("room for all")
    batch = [i for i, cls in enumerate(classes(len(outputs))) if cls == "batch"]
    assert any(outputs[i] != all_native[i] for i in batch)
    assert all(outputs[i][:1] == all_native[i][:1] for i in batch if len(list(prompts(12))[i]) < 64)
