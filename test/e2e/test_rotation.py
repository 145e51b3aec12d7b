"""SmolLM2 says the same whether or not its requests are taken out all the time."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from transformers import AutoTokenizer

from support.server import running_server

pytestmark = pytest.mark.e2e

QUESTIONS = [
    "What is the capital of France?",
    "Name three primary colors.",
    "Write a line about the sea.",
    "Explain in two sentences why the sky is blue, and then why sunsets are red.",
]
TOKENS = 48


def answers(url, model_path):
    """Greedy tokens of all questions, asked at the same time, and how often their requests were taken out."""
    tokenizer = AutoTokenizer.from_pretrained(model_path)

    def ask(question):
        messages = [{"role": "user", "content": question}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        params = {"temperature": 0, "max_new_tokens": TOKENS, "ignore_eos": True}
        reply = httpx.post(f"{url}/generate", json={"input_ids": ids, "sampling_params": params}, timeout=240).json()
        return reply["output_ids"], reply["meta_info"]["num_retractions"]

    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        said = list(pool.map(ask, QUESTIONS))
    return [tokens for tokens, _ in said], sum(rotations for _, rotations in said)


@pytest.mark.parametrize(("every", "page_size"), [(1, 1), (3, 16)])
def test_the_same_tokens_with_forced_rotation(base_url, model_path, tmp_path, every, page_size):
    undisturbed, rotations = answers(base_url, model_path)
    assert rotations == 0
    config = tmp_path / "config.toml"
    config.write_text(f"[rotation]\nforce_every = {every}\n")
    args = ["--dtype", "float32", "--random-seed", "0", "--page-size", str(page_size)]
    strict = {"SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY": "1"}
    with running_server(tmp_path / "server.log", *args, "--slo-classes", str(config), env=strict) as server:
        disturbed, rotations = answers(server.url, model_path)
    assert disturbed == undisturbed
    assert rotations >= TOKENS // every
