"""A server with KV memory of several formats: what it tells, who leaves, and what it refuses."""

import pytest

from integration.conftest import STRICT
from integration.test_abort import wait_until_idle
from support.server import refusal, running_server

pytestmark = pytest.mark.integration

ARGUMENTS = ["--dtype", "float32", "--random-seed", "0", "--log-level", "info", "--chunked-prefill-size", "64"]
BUDGET = ["--kv-budget", "1536k", "--kv-regions", "native:0.33,int8:0.2,int4:0.47"]
POISONED = {"SGLANG_DEBUG_MEMORY_POOL": "1"}
"""Pages that are given back hold not-a-number from then on."""


@pytest.fixture(scope="module")
def kv_server(tiny_model, tmp_path_factory):
    log = tmp_path_factory.mktemp("kv") / "server.log"
    args = ["--model-path", str(tiny_model), *ARGUMENTS, *BUDGET, "--kv-seal", "full", "--enable-metrics"]
    with running_server(log, *args, env=STRICT | POISONED) as server:
        yield server


@pytest.fixture(scope="module")
def late_server(tiny_model, tmp_path_factory):
    """As it is unless the operator says otherwise: pages are sealed late, and the learned cache serves."""
    log = tmp_path_factory.mktemp("late") / "server.log"
    args = ["--model-path", str(tiny_model), *ARGUMENTS, *BUDGET, "--enable-metrics"]
    with running_server(log, *args, env=STRICT | POISONED) as server:
        yield server


def ask(client, cls, prompt_tokens=200, new_tokens=70, seed=0, **slo):
    ids = [(seed * 31 + i * 7) % 250 + 2 for i in range(prompt_tokens)]
    params = {"temperature": 0, "max_new_tokens": new_tokens, "ignore_eos": True}
    body = {"input_ids": ids, "sampling_params": params, "slo": {"class": cls, **slo}}
    response = client.post("/generate", json=body)
    response.raise_for_status()
    return response.json()


def kv_state(client):
    return wait_until_idle(client)["kv"]


def flushed(client):
    wait_until_idle(client)
    assert client.post("/flush_cache").status_code == 200
    return kv_state(client)["formats"]


def sealed_by(client, cls, **slo):
    """Pages that one request seals, by format."""
    before = flushed(client)
    ask(client, cls, **slo)
    after = kv_state(client)["formats"]
    return {name: after[name]["sealed_pages"] - before[name]["sealed_pages"] for name in after}


def test_full_pages_are_sealed_as_the_class_says(kv_server):
    with kv_server.client() as client:
        # 269 tokens have KV in the end: 8 full pages, the first of them never in 4 bits.
        assert sealed_by(client, "batch") == {"native": 0, "int8": 1, "int4": 7}
        assert sealed_by(client, "batch", kv="int8") == {"native": 0, "int8": 8, "int4": 0}
        assert sealed_by(client, "batch", kv="native") == {"native": 0, "int8": 0, "int4": 0}
        assert sealed_by(client, "interactive") == {"native": 0, "int8": 0, "int4": 0}


def test_batch_requests_take_a_fraction_of_the_bytes(kv_server):
    with kv_server.client() as client:
        bytes_of = {}
        for cls in ("interactive", "batch"):
            assert all(fmt["pages_used"] == 0 for fmt in flushed(client).values())
            ask(client, cls, prompt_tokens=400)
            state = kv_state(client)
            bytes_of[cls] = sum(fmt["bytes_used"] for fmt in state["formats"].values())
            assert bytes_of[cls] <= state["peak_bytes"] <= state["budget_bytes"]
        assert bytes_of["batch"] < 0.5 * bytes_of["interactive"]


def test_prefixes_are_shared_by_requests_of_the_same_format_only(kv_server):
    with kv_server.client() as client:
        flushed(client)
        native = ask(client, "interactive", seed=3)
        for cls, kv, cached in [
            ("batch", None, 0),
            ("standard", None, 192),
            ("batch", None, 192),
            ("batch", "int8", 0),
            ("interactive", None, 192),
        ]:
            answer = ask(client, cls, seed=3, **({"kv": kv} if kv else {}))
            assert answer["meta_info"]["cached_tokens"] == cached
            if cls != "batch":
                assert answer["output_ids"] == native["output_ids"]


def test_a_prefix_read_back_sealed_gives_the_same_tokens_again(kv_server):
    with kv_server.client() as client:
        flushed(client)
        ask(client, "batch", seed=5)
        second, third = (ask(client, "batch", seed=5)["output_ids"] for _ in range(2))
        assert second == third  # both read the sealed prefix; pages given back hold no numbers


def test_who_does_not_fit_into_its_regions_is_refused_and_the_server_lives(kv_server):
    with kv_server.client() as client:
        native = kv_state(client)["formats"]["native"]["tokens"]
        assert native < 1000
        ids = {"input_ids": [5] * 990, "sampling_params": {"max_new_tokens": 4, "ignore_eos": True}}
        refused = client.post("/generate", json={**ids, "slo": "interactive"})
        assert refused.status_code == 400
        assert "exceeds the KV memory budget" in refused.text
        assert client.post("/generate", json={**ids, "slo": "batch"}).status_code == 200
        wait_until_idle(client)
    assert kv_server.alive()


def test_clients_that_leave_give_their_pages_back(kv_server):
    body = {"text": "a" * 150, "sampling_params": {"max_new_tokens": 300, "ignore_eos": True}, "stream": True}
    with kv_server.client() as client:
        for cls in ("batch", "interactive"):
            with client.stream("POST", "/generate", json=body | {"slo": cls}) as response:
                assert next(response.iter_lines()).startswith("data: ")
        assert all(fmt["pages_used"] == 0 for fmt in flushed(client).values())


def test_metrics_tell_the_same_as_the_state(kv_server):
    with kv_server.client() as client:
        ask(client, "batch", seed=9)
        ask(client, "interactive", seed=9)
        formats = kv_state(client)["formats"]
        text = client.get("/metrics").text
    for name, metric, key in [
        ("int4", "kv_sealed_pages_total", "sealed_pages"),
        ("int4", "kv_requests_total", "requests"),
        ("native", "kv_requests_total", "requests"),
    ]:
        (line,) = (
            line for line in text.splitlines() if line.startswith(f"superinfer:{metric}{{") and f'"{name}"' in line
        )
        assert 0 < float(line.split()[-1]) <= formats[name][key]
    assert "superinfer:kv_bytes{" in text


def test_what_cools_is_made_coarser_before_anything_is_evicted(late_server):
    with late_server.client() as client:
        flushed(client)
        native = ask(client, "interactive", seed=4)["output_ids"]
        flushed(client)
        before = kv_state(client)
        assert ask(client, "batch", seed=4)["output_ids"] == native  # nothing is sealed while there is room
        ample = kv_state(client)
        assert ample["late_pages"] - before["late_pages"] == 8
        assert all(fmt["pages_used"] == 0 for name, fmt in ample["formats"].items() if name != "native")
        ask(client, "interactive", prompt_tokens=780, new_tokens=8, seed=6)  # of 31 native pages this takes 25
        short = wait_until_idle(client)
        compressed = short["kv"]["formats"]["native"]["compressed_pages"]
        assert compressed["int8"] <= 1
        assert compressed["int4"] > 0
        assert sum(short["kv"]["formats"][name]["pages_used"] for name in ("int8", "int4")) == sum(compressed.values())
        evicted = short["cache"]["evicted_tokens"]
        assert ask(client, "batch", seed=4)["meta_info"]["cached_tokens"] == 192
        assert wait_until_idle(client)["cache"]["evicted_tokens"] == evicted
        text = client.get("/metrics").text
    assert 'source="native"' in text
    assert "superinfer:kv_late_pages_total{" in text
    assert late_server.alive()


def test_many_of_all_classes_are_served_late_and_all_memory_comes_back(late_server):
    with late_server.client() as client:
        flushed(client)
        for turn in range(3):
            for seed in range(6):
                cls = ("interactive", "batch", "standard")[seed % 3]
                answer = ask(client, cls, prompt_tokens=100 + 60 * seed, new_tokens=20, seed=seed + turn % 2)
                assert len(answer["output_ids"]) == 20
        assert all(fmt["pages_used"] == 0 for fmt in flushed(client).values())


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--kv-seal", "never"], "kv.seal: 'never' is not one of late, full"),
        (
            ["--enable-hierarchical-cache", "--radix-eviction-policy", "lfu"],
            "does not support --kv-budget with a host tier and SGLang's cache",
        ),
        (["--kv-regions", "native:0.5,int4:0.4"], "kv.regions: the shares add up to 0.9"),
        (["--max-total-tokens", "4096"], "does not support --kv-budget with --max-total-tokens"),
        (["--page-size", "16"], "does not support --kv-budget with --page-size other than 32"),
        (["--attention-backend", "torch_native"], "does not support --kv-budget with another --attention-backend"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(tiny_model, tmp_path, flags, sentence):
    status, printed = refusal(tmp_path, "--model-path", str(tiny_model), "--kv-budget", "3m", *flags)
    assert status == 2
    assert sentence in printed


def test_a_native_region_that_is_too_small_for_a_step_is_refused(tiny_model, tmp_path):
    regions = ["--kv-budget", "1m", "--kv-regions", "native:0.2,int4:0.8"]
    status, printed = refusal(tmp_path, "--model-path", str(tiny_model), "--dtype", "float32", *regions)
    assert status != 0
    assert "kv.regions: the native region has" in printed


@pytest.fixture(scope="module")
def auto_server(tiny_model, tmp_path_factory):
    """Memory for 64 native pages, half of which are native when nobody is there."""
    log = tmp_path_factory.mktemp("auto") / "server.log"
    args = ["--model-path", str(tiny_model), *ARGUMENTS, "--kv-budget", "1m", "--enable-metrics"]
    with running_server(log, *args, env=STRICT | POISONED) as server:
        yield server


def test_a_request_may_take_what_was_cut_for_others(auto_server):
    """Of either kind, one after the other, and longer than the native region was at the start."""
    with auto_server.client() as client:
        before = kv_state(client)
        assert before["balances"]
        native = before["formats"]["native"]["tokens"]
        assert native < 1000
        for cls in ("interactive", "batch", "interactive"):
            answer = ask(client, cls, prompt_tokens=900, new_tokens=100, seed=11)
            assert len(answer["output_ids"]) == 100
            after = kv_state(client)["formats"]
            assert sum(fmt["region_bytes"] for fmt in after.values()) == before["budget_bytes"]
            assert cls == "batch" or after["native"]["tokens"] >= 1000
        assert kv_state(client)["formats"]["native"]["moved_bytes"] > 0
        total = client.get("/get_server_info").json()["internal_states"][0]["memory_usage"]["token_capacity"]
        assert total == sum(fmt["tokens"] for fmt in kv_state(client)["formats"].values())
    assert auto_server.alive()
