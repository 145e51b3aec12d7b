"""Eviction on the real engine: the same tokens under every rule, and victims in our order."""

import json
import random

import pytest

from integration.conftest import STRICT
from superinfer.config import CacheConfig, Config, ObserveConfig, RotationConfig
from support.engine import running_engine

pytestmark = pytest.mark.integration

POOL_TOKENS = 1024
SMALL = {"dtype": "float32", "max_total_tokens": POOL_TOKENS, "random_seed": 0}
GREEDY = {"temperature": 0, "ignore_eos": True}


def prompt(seed, tokens):
    rng = random.Random(seed)
    return [rng.randrange(2, 250) for _ in range(tokens)]


@pytest.fixture(scope="module", autouse=True)
def strict():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STRICT.items():
            patch.setenv(name, value)
        yield


def answers(model, eviction, *, force_every=0, **layout):
    """Three rounds of prompts that begin alike, of which the memory holds a part."""
    config = Config(rotation=RotationConfig(force_every=force_every), cache=CacheConfig(eviction=eviction))
    rng = random.Random(3)
    found = []
    with running_engine(model_path=str(model), slo_config=config, **SMALL, **layout) as engine:
        for _ in range(3):
            ids = [prompt(index % 5, 60) + prompt(rng.random(), rng.choice([1, 9, 90, 200])) for index in range(10)]
            params = {**GREEDY, "max_new_tokens": 20}
            outputs = engine.generate(input_ids=ids, sampling_params=params)
            found += [(output["output_ids"], output["meta_info"]["num_retractions"]) for output in outputs]
    return [tokens for tokens, _ in found], sum(rotations for _, rotations in found)


@pytest.fixture(scope="module")
def undisturbed(tiny_model):
    """Tokens where SGLang evicts, and nobody is taken out."""
    return answers(tiny_model, "sglang")[0]


@pytest.mark.parametrize("eviction", ["learned", "lru"])
@pytest.mark.parametrize("layout", [{}, {"page_size": 16, "chunked_prefill_size": 64}], ids=["page 1", "page 16"])
def test_the_same_tokens_whatever_is_evicted(tiny_model, undisturbed, layout, eviction):
    tokens, rotations = answers(tiny_model, eviction, force_every=3, **layout)
    assert tokens == undisturbed
    assert rotations >= 10


class Served:
    """One request after the other, each with one token of answer."""

    def __init__(self, engine):
        self.engine = engine

    def cached(self, ids, **slo):
        params = {**GREEDY, "max_new_tokens": 1, "custom_params": {"slo": slo}}
        return self.engine.generate(input_ids=ids, sampling_params=params)["meta_info"]["cached_tokens"]

    def pinned(self, ids, **slo):
        params = {**GREEDY, "max_new_tokens": 1, "custom_params": {"slo": slo}}
        return self.engine.generate(input_ids=ids, sampling_params=params)["meta_info"]["slo"].get("pinned")


@pytest.fixture(scope="module", params=["learned", "lru"])
def server(request, tiny_model):
    config = Config(cache=CacheConfig(eviction=request.param))
    with running_engine(model_path=str(tiny_model), slo_config=config, **SMALL) as engine:
        yield Served(engine)


@pytest.fixture
def served(server):
    """Nothing in the cache, and nothing pinned."""
    server.engine.flush_cache()
    return server


def fill(served, seed, tokens=POOL_TOKENS - 32):
    """Everything that is not pinned has to go."""
    served.cached(prompt(seed, tokens))


def test_the_least_recently_used_goes_first(served):
    for seed in range(3):
        served.cached(prompt(f"order {seed}", 300))
    assert served.cached(prompt("order 0", 300)) == 299
    served.cached(prompt("order 3", 280))
    assert served.cached(prompt("order 0", 300)) == 299
    assert served.cached(prompt("order 2", 300)) >= 256
    assert served.cached(prompt("order 1", 300)) <= 160


def test_a_pin_outlives_what_fills_the_memory(served):
    ids = prompt("pinned", 200)
    assert served.pinned(ids, pin_ms=60_000) is True
    fill(served, "after the pin", 700)
    fill(served, "once more", 700)
    assert served.cached(ids) == 199
    served.cached(ids, ends=True)


def test_pins_are_limited(served):
    assert served.pinned(prompt("first pin", 200), pin_ms=600_000) is True
    assert served.pinned(prompt("second pin", 200), pin_ms=600_000) is False
    served.cached(prompt("first pin", 200), ends=True)
    assert served.pinned(prompt("second pin", 200), pin_ms=600_000) is True
    served.cached(prompt("second pin", 200), ends=True)


def test_pins_time_out(served):
    assert served.pinned(prompt("short pin", 200), pin_ms=50) is True
    for _attempt in range(200):
        if served.pinned(prompt("next pin", 200), pin_ms=600_000):
            break
    else:
        pytest.fail("the first pin did not end")
    served.cached(prompt("next pin", 200), ends=True)


def test_who_needs_all_the_memory_gets_it_in_spite_of_pins(served):
    assert served.pinned(prompt("in the way", 250), pin_ms=60_000) is True
    ids = prompt("long", POOL_TOKENS - 120)
    assert served.cached(ids) == 0
    assert served.cached(prompt("in the way", 250)) < 250


def test_the_end_of_a_session_lets_it_go_first(served):
    served.cached(prompt("goes on", 300))
    served.cached(prompt("ends", 300), ends=True)
    served.cached(prompt("newcomer", 400))
    served.cached(prompt("newcomer 2", 100))
    assert served.cached(prompt("goes on", 300)) == 299


def test_what_is_expected_goes_last(served):
    served.cached(prompt("tool", 300), back_ms=60_000)
    served.cached(prompt("chat", 300))
    served.cached(prompt("newcomer 3", 500))
    assert served.cached(prompt("tool", 300)) == 299
    served.cached(prompt("tool", 300), ends=True)


def test_the_same_requests_twice_have_the_same_victims(tiny_model, tmp_path):
    """With LRU, whose order does not depend on the time between requests."""
    found = []
    for run in ("first", "second"):
        folder = tmp_path / run
        config = Config(cache=CacheConfig(eviction="lru"), observe=ObserveConfig(decisions=str(folder)))
        rng = random.Random(11)
        with running_engine(model_path=str(tiny_model), slo_config=config, **SMALL) as engine:
            server = Served(engine)
            for _ in range(40):
                server.cached(prompt(rng.randrange(8), rng.choice([40, 150, 260])))
        lines = (folder / "rank0.jsonl").read_text().splitlines()
        found.append([name for line in lines for name in json.loads(line)["evicted"]])
    assert len(found[0]) >= 20
    assert found[0] == found[1]
