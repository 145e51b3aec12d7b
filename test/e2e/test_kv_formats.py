"""SmolLM2 with KV in several formats: interactive requests notice nothing, and batch requests lie in 4 bits."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from openai import OpenAI
from transformers import AutoTokenizer

from integration.test_abort import wait_until_idle
from support.server import running_server

pytestmark = pytest.mark.e2e

MODEL = "SmolLM2-135M-Instruct"
STRICT = {"SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY": "1", "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_IDLE": "1"}
TEXT = (
    "The harbour office kept two ledgers. In the first stood what every ship had brought; in the second, what it had "
    "been promised. Once a year a clerk read both aloud, line by line, and whoever found a difference bought the "
    "coffee. The ledgers were thick, the coffee was bad, and nobody could remember a year without a difference."
)
QUESTIONS = ("What did the clerk do?", "Who bought the coffee?", "Name a colour.", "Count to ten.")


@pytest.fixture(scope="module")
def kv_server(tmp_path_factory):
    log: Path = tmp_path_factory.mktemp("kv") / "server.log"
    args = ["--dtype", "float32", "--random-seed", "0", "--enable-metrics", "--kv-budget", "400m", "--kv-seal", "full"]
    with running_server(log, *args, env=STRICT) as server:
        yield server


@pytest.fixture(scope="module")
def prompts(model_path):
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    return [tokenizer(f"{TEXT}\n\n{TEXT[::-1]}\n\n{question}")["input_ids"] for question in QUESTIONS]


def greedy(url, ids, slo):
    params = {"temperature": 0, "max_new_tokens": 48, "ignore_eos": True}
    body = {"input_ids": ids, "sampling_params": params, "slo": slo}
    return httpx.post(f"{url}/generate", json=body, timeout=300).raise_for_status().json()["output_ids"]


def formats(server):
    with server.client() as client:
        return wait_until_idle(client)["kv"]["formats"]


def difference(after, before, name):
    return {label: after[label][name] - before[label][name] for label in after}


def test_interactive_answers_are_those_of_a_server_without_all_this(kv_server, base_url, prompts):
    """Also beside batch requests that begin alike, and when memory has moved."""
    expected = [greedy(base_url, ids, "interactive") for ids in prompts]
    assert [greedy(kv_server.url, ids, "interactive") for ids in prompts] == expected
    for ids in prompts:
        greedy(kv_server.url, ids, "batch")
    assert [greedy(kv_server.url, ids, "interactive") for ids in prompts] == expected


def test_batch_requests_lie_in_four_bits_and_state_and_metrics_say_so(kv_server, prompts):
    before = formats(kv_server)
    ids = prompts[0][::-1]  # nothing of it is cached
    greedy(kv_server.url, ids, "batch")
    after = formats(kv_server)
    full = (len(ids) + 48 - 1) // 32
    assert difference(after, before, "sealed_pages") == {"native": 0, "int8": 1, "int4": full - 1}
    assert difference(after, before, "requests") == {"native": 0, "int8": 0, "int4": 1}
    with kv_server.client() as client:
        metrics = client.get("/metrics").text
    sealed = [line for line in metrics.splitlines() if line.startswith("superinfer:kv_sealed_pages_total{")]
    assert any('format="int4"' in line and float(line.split()[-1]) > 0 for line in sealed)
    assert "superinfer:kv_region_bytes{" in metrics


def test_an_openai_client_chooses_the_format_of_a_request(kv_server):
    client = OpenAI(base_url=f"{kv_server.url}/v1", api_key="none", max_retries=0)
    question = [{"role": "user", "content": f"{TEXT} What is the capital of France?"}]
    for kv, sealed in (("int8", "int8"), ("native", None)):
        before = formats(kv_server)
        reply = client.chat.completions.create(
            model=MODEL,
            messages=question,
            temperature=0,
            max_tokens=32,
            extra_body={"slo": {"class": "batch", "kv": kv}},
        )
        assert reply.choices[0].message.content
        assert reply.slo["class"] == "batch"
        found = difference(formats(kv_server), before, "sealed_pages")
        assert {label for label, pages in found.items() if pages} == ({sealed} if sealed else set())


def test_memory_goes_to_those_who_need_it_while_they_are_served(kv_server, prompts):
    """Long interactive requests, at a time: more than fit into what is native at the start."""
    with kv_server.client() as client:
        wait_until_idle(client)
        client.post("/flush_cache").raise_for_status()
    before = formats(kv_server)
    long = [(5 * prompts[0])[7 * turn :][:900] for turn in range(8)]  # no two begin alike
    assert len(long) * 900 > before["native"]["tokens"]
    with ThreadPoolExecutor(len(long)) as pool:
        answers = list(pool.map(lambda ids: greedy(kv_server.url, ids, "interactive"), long))
    assert all(len(answer) == 48 for answer in answers)
    after = formats(kv_server)
    assert after["native"]["region_bytes"] > before["native"]["region_bytes"]
    assert after["native"]["moved_bytes"] > before["native"]["moved_bytes"]
    assert sum(fmt["region_bytes"] for fmt in after.values()) == sum(fmt["region_bytes"] for fmt in before.values())
    assert kv_server.alive()
