"""Answers are the same whether KV stays, is computed again, or comes back from the host."""

from functools import cache

import pytest

from integration.host.engines import GREEDY, prompt, small_engine
from superinfer.config import HostConfig

pytestmark = pytest.mark.integration

ROOMY, TIGHT = "4m", "64k"
CHUNKS = {"page_size": 16, "disable_overlap_schedule": True, "chunked_prefill_size": 64}
FLAGS = {"enable_hierarchical_cache": True, "hicache_ratio": 8.0, "page_size": 16}
SETTINGS = {
    "through, pages of 1, float32": (HostConfig(kv_bytes=ROOMY), {"page_size": 1}),
    "back, pages of 16, bfloat16": (
        HostConfig(kv_bytes=ROOMY, write="back"),
        {"page_size": 16, "kv_cache_dtype": "bf16"},
    ),
    "selective, pages of 16, no overlap, small chunks": (HostConfig(kv_bytes=ROOMY, write="selective"), CHUNKS),
    "SGLang's own flags": (HostConfig(), FLAGS),
    "through, a host that is full, a slow link": (HostConfig(kv_bytes=TIGHT, link_bytes_per_s="1m"), {"page_size": 1}),
    "back, a host that is full": (HostConfig(kv_bytes=TIGHT, write="back"), CHUNKS),
}
SHORT, LONG = GREEDY | {"max_new_tokens": 8}, GREEDY | {"max_new_tokens": 60}
LARGE = [prompt(i, 200) for i in range(4)]
CROWD = [prompt(20 + i, 60 + 10 * i) for i in range(6)]  # 870 tokens in the end


@pytest.fixture(scope="module")
def undisturbed(tiny_model):
    """A function: what a large pool answers, with KV of a type, whatever the rest of the settings."""

    @cache
    def answer(dtype):
        with small_engine(tiny_model, kv_tokens=4096, kv_cache_dtype=dtype) as roomy:
            want = [roomy.generate(input_ids=ids, sampling_params=LONG)["output_ids"] for ids in CROWD]
            return want, [roomy.generate(input_ids=ids, sampling_params=SHORT)["output_ids"] for ids in LARGE]

    return answer


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS.keys())
def answers(request, tiny_model, undisturbed):
    """What a large pool answers, and a small one with a host tier, in which somebody is always being taken out."""
    tier, settings = request.param
    want, alone = undisturbed(settings.get("kv_cache_dtype", "auto"))
    with small_engine(tiny_model, host=tier, force_every=3, **settings) as tiered:
        rounds = [[tiered.generate(input_ids=ids, sampling_params=SHORT) for ids in LARGE] for _ in range(3)]
        got = [output["output_ids"] for output in tiered.generate(input_ids=CROWD, sampling_params=LONG)]
    return {"want": want, "got": got, "alone": alone, "last": rounds[-1], "fits": tier.kv_bytes != TIGHT}


def test_a_crowd_that_outgrows_the_memory(answers):
    assert answers["got"] == answers["want"]


def test_prompts_that_were_pushed_out_come_back(answers):
    assert [output["output_ids"] for output in answers["last"]] == answers["alone"]
    if answers["fits"]:
        for output in answers["last"]:
            assert output["meta_info"]["cached_tokens_details"]["host"] > 150
