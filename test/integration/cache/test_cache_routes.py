"""The cache over HTTP: why nodes stay, pins, the log, metrics, and what is refused."""

import json
import re

import pytest

from integration.conftest import SMALL, STRICT
from integration.test_abort import wait_until_idle
from superinfer.sim.cache.trace import read_requests
from support.server import refusal, running_server

pytestmark = pytest.mark.integration

CONFIG = """
[cache]
access_log = "{log}"
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "access.jsonl"


@pytest.fixture(scope="module")
def cache_server(tiny_model, log, tmp_path_factory):
    """Room for 512 tokens."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "config.toml").write_text(CONFIG.format(log=log))
    args = ["--model-path", str(tiny_model), "--slo-classes", str(folder / "config.toml"), *SMALL]
    args[args.index("--max-total-tokens") + 1] = "512"
    with running_server(folder / "server.log", *args, "--enable-metrics", env=STRICT) as server:
        yield server


@pytest.fixture
def client(cache_server):
    with cache_server.client() as client:
        wait_until_idle(client)
        assert client.post("/flush_cache").status_code == 200
        yield client


def prompt(seed, tokens=120):
    return [(seed * 37 + index * 11) % 240 + 2 for index in range(tokens)]


def ask(client, ids, **more):
    params = {"temperature": 0, "max_new_tokens": 2, "ignore_eos": True}
    answer = client.post("/generate", json={"input_ids": ids, "sampling_params": params, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["meta_info"]


def cache_of(client, **params):
    (scheduler,) = client.get("/superinfer/cache", params=params).json()["schedulers"]
    return scheduler


def test_a_node_is_explained(client):
    ask(client, prompt(1))
    ask(client, prompt(2))
    first, *others = cache_of(client)["next"]
    assert others
    told = cache_of(client, node=first["node"][:10])["node"]
    assert told["node"] == first["node"]
    assert told["rule"] == "lru"
    assert told["claim"] == "none"
    assert 0 < told["tokens"] <= 32
    assert list(told["learned"]["chances"].values()) == sorted(told["learned"]["chances"].values())


def test_a_node_that_is_not_there_is_404(client):
    answer = client.get("/superinfer/cache", params={"node": "ffff"})
    assert answer.status_code == 404
    assert "ffff" in answer.text


def test_the_first_of_next_is_what_goes(client):
    for seed in range(4):
        ask(client, prompt(seed, 110))
    first = cache_of(client)["next"][0]["node"]
    ask(client, prompt(9, 110))
    told = cache_of(client, node=first)["node"]
    assert told["resident"] is False


def test_pin_by_route_then_flush(client):
    answer = client.post("/superinfer/pin", json={"input_ids": prompt(3), "pin_ms": 60_000}).json()
    assert answer == {"pinned": True, "prompt_tokens": 120, "cached_tokens": 0}
    assert client.post("/superinfer/pin", json={"input_ids": prompt(3), "pin_ms": 60_000}).json()["cached_tokens"] > 100
    state = cache_of(client)
    assert 119 <= state["pinned_tokens"] <= 120
    for seed in range(10, 14):
        ask(client, prompt(seed, 300))
    assert ask(client, prompt(3))["cached_tokens"] >= 118
    assert client.post("/superinfer/pin", json={"input_ids": prompt(4), "pin_ms": 60_000}).json()["pinned"] is False
    wait_until_idle(client)
    assert client.post("/flush_cache").status_code == 200
    assert cache_of(client)["pinned_tokens"] == 0
    assert ask(client, prompt(3))["cached_tokens"] == 0
    ask(client, prompt(15, 300))


def test_pin_in_body_header_and_openai_body(client):
    assert ask(client, prompt(5, 60), slo={"pin_ms": 1000})["slo"]["pinned"] is True
    params = {"max_new_tokens": 2, "temperature": 0}
    body = {"input_ids": prompt(6, 60), "sampling_params": params}
    answer = client.post("/generate", json=body, headers={"x-superinfer-pin-ms": "1000"}).json()
    assert answer["meta_info"]["slo"]["pinned"] is True
    body = {"model": "m", "prompt": "abc", "max_tokens": 2, "slo": {"pin_ms": 1000}}
    assert client.post("/v1/completions", json=body).json()["slo"]["pinned"] is True


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"pin_ms": 5}, "either"),
        ({"text": "a", "input_ids": [5], "pin_ms": 5}, "either"),
        ({"text": "a", "pin_ms": 0}, "pin_ms"),
        ({"text": "a", "pin": 1}, "pin"),
        ({"input_ids": [], "pin_ms": 5}, "input_ids"),
        ({"input_ids": [5] * 5000, "pin_ms": 5}, ""),
    ],
)
def test_a_bad_pin_names_what_is_wrong(cache_server, body, word):
    with cache_server.client() as client:
        answer = client.post("/superinfer/pin", json=body)
    assert answer.status_code in (400, 422)
    assert word in answer.text
    assert cache_server.alive()


def test_a_hint_after_the_answer_is_heard(client):
    for seed in (40, 41):
        ids = [*prompt(seed, 150), seed]
        answer = ask(client, ids)
        told = {"id": answer["id"], "back_ms": 60_000} if seed == 40 else {"id": answer["id"], "ends": True}
        assert client.post("/superinfer/hint", json=told).json() == {"id": answer["id"]}
    assert {node["claim"] for node in cache_of(client)["next"]} == {"ended", "expected"}
    ask(client, prompt(42, 300))
    assert ask(client, [*prompt(40, 150), 40])["cached_tokens"] == 150
    assert ask(client, [*prompt(41, 150), 41])["cached_tokens"] < 150


def test_the_last_hint_counts(client):
    rid = ask(client, prompt(43, 60))["id"]
    assert client.post("/superinfer/hint", json={"id": rid, "pin_ms": 60_000}).json() == {"id": rid, "pinned": True}
    assert cache_of(client)["pinned_tokens"] > 0
    assert client.post("/superinfer/hint", json={"id": rid, "ends": True}).json() == {"id": rid}
    assert cache_of(client)["pinned_tokens"] == 0
    assert client.post("/superinfer/hint", json={"id": rid, "back_ms": 60_000}).json() == {"id": rid}
    assert {node["claim"] for node in cache_of(client)["next"]} == {"expected"}


def test_a_hint_of_nobody_is_404_and_a_bad_one_names_what_is_wrong(cache_server):
    with cache_server.client() as client:
        unknown = client.post("/superinfer/hint", json={"id": "nobody", "ends": True})
        assert (unknown.status_code, "nobody" in unknown.text) == (404, True)
        for body, word in [
            ({"id": "a"}, "back_ms, pin_ms or ends"),
            ({"id": "a", "back_ms": 0}, "back_ms"),
            ({}, "id"),
        ]:
            answer = client.post("/superinfer/hint", json=body)
            assert (answer.status_code, word in answer.text) == (400, True)
    assert cache_server.alive()


def test_nodes_know_what_a_chat_ended_with_and_what_was_generated(client, log):
    messages = [{"role": "user", "content": "a" * 60}, {"role": "tool", "content": "b", "tool_call_id": "1"}]
    body = {"model": "m", "messages": messages, "max_tokens": 40, "ignore_eos": True, "temperature": 0}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    nodes = [cache_of(client, node=node["node"])["node"] for node in cache_of(client)["next"]]
    assert {node["learned"]["kind"] for node in nodes} <= {"tool", "generated"}
    assert "generated" in {node["learned"]["kind"] for node in nodes}
    wait_until_idle(client)
    assert json.loads(log.read_text().splitlines()[-1])["kind"] == "tool"


def test_a_promise_counts(client):
    ask(client, prompt(44), slo={"class": "interactive", "ttft_ms": 50})
    first, *_ = cache_of(client)["next"]
    told = first["learned"]
    assert told["slack_ms"] == 50
    assert told["worth"] > 1


def test_an_aborted_request_leaves_no_claim(client, cache_server):
    params = {"temperature": 0, "max_new_tokens": 300, "ignore_eos": True}
    body = {"input_ids": prompt(7, 60), "sampling_params": params, "stream": True, "slo": {"pin_ms": 60_000}}
    with client.stream("POST", "/generate", json=body) as response:
        assert next(response.iter_lines()).startswith("data: ")
    wait_until_idle(client)
    client.post("/flush_cache")
    assert cache_of(client)["pinned_tokens"] == 0
    assert cache_server.alive()


def test_metrics(client):
    ask(client, prompt(8))
    ask(client, prompt(8))
    for seed in range(20, 24):
        ask(client, prompt(seed, 300))
    text = client.get("/metrics").text
    assert re.search(r'^superinfer:evicted_tokens_total\{.*rule="lru".*\} [1-9]', text, re.MULTILINE)
    assert re.search(r"^superinfer:prefix_hit_tokens_total\{.*\} [1-9]", text, re.MULTILINE)
    assert re.search(r"^superinfer:cache_learned_ratio\{.*\} 0", text, re.MULTILINE)
    assert "superinfer:pinned_tokens" in text


def test_the_log_has_hashes_and_no_text_and_can_be_read(client, log):
    ids = prompt(30, 300)
    ask(client, ids, slo={"class": "batch", "tenant": "acme"})
    ask(client, ids)
    wait_until_idle(client)
    row, again = (json.loads(line) for line in log.read_text().splitlines()[-2:])
    assert set(row) == {"timestamp", "input_length", "output_length", "hash_ids", "slo_class", "tenant", "block_tokens"}
    assert row["input_length"] == 300
    assert row["output_length"] == 2
    assert row["hash_ids"] == again["hash_ids"]
    assert row["slo_class"] == 2
    assert len(read_requests(log)) == len(log.read_text().splitlines())


def test_a_corrupt_predictor_ends_the_start_with_a_sentence(tiny_model, tmp_path):
    (tmp_path / "reuse.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00garbage!")
    file = tmp_path / "config.toml"
    file.write_text(f'[cache]\nmodel = "{tmp_path}/reuse.safetensors"\n')
    status, printed = refusal(tmp_path, "--model-path", str(tiny_model), "--slo-classes", str(file))
    assert status == 2
    assert "[cache] model cannot be used" in printed
    assert "Traceback" not in printed
