"""Twenty prompts in one batch: each greedy token of SmolLM2 is the one that transformers would choose.

Transformers reads each prompt with the server's answer once, and tells for every position which token it would choose
there. If that is the server's token everywhere, its own greedy decoding would have written the same text: the first
token follows from the prompt, and each further one from the prompt and tokens that are equal already.
"""

from itertools import product

import httpx
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = pytest.mark.e2e

TASKS = [
    "What is {}?",
    "Write a short story about {}.",
    "List five facts about {}.",
    "Explain {} to a child.",
    "Write a Python class for {}.",
]
TOPICS = ["the sea", "a prime number", "the French Revolution", "bread"]
NEW_TOKENS = 64
TIE = 1e-4
"""Two logits nearer than this are equal in float32: which is larger depends on the order of additions."""


@pytest.fixture(scope="module")
def prompts(model_path):
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    questions = [task.format(topic) for task, topic in product(TASKS, TOPICS)]
    messages = [[{"role": "user", "content": question}] for question in questions]
    return [
        tokenizer.apply_chat_template(m, add_generation_prompt=True, return_dict=True)["input_ids"] for m in messages
    ]


@pytest.fixture(scope="module")
def served(base_url, prompts):
    """The server's tokens; the end of an answer is a token like others, so that all are of one length."""
    params = {"temperature": 0, "max_new_tokens": NEW_TOKENS, "ignore_eos": True}
    reply = httpx.post(f"{base_url}/generate", json={"input_ids": prompts, "sampling_params": params}, timeout=300)
    return [answer["output_ids"] for answer in reply.raise_for_status().json()]


@pytest.fixture(scope="module")
def expected(model_path, prompts, served):
    """For each prompt, transformers' choice after every prefix of the answer, up to its first tie."""
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32, attn_implementation="eager").eval()
    return [choices_before_a_tie(model, prompt, answer) for prompt, answer in zip(prompts, served, strict=True)]


@torch.inference_mode()
def choices_before_a_tie(model, prompt, answer):
    logits = model(torch.tensor([prompt + answer[:-1]])).logits[0, len(prompt) - 1 :]
    best, second = logits.topk(2).values.unbind(1)
    tied = (best - second < TIE).tolist()
    return logits.argmax(1).tolist()[: tied.index(True) if True in tied else None]


def test_every_token_is_the_one_that_transformers_chooses(served, expected):
    assert [len(answer) for answer in served] == [NEW_TOKENS] * len(TASKS) * len(TOPICS)
    assert [answer[: len(choices)] for answer, choices in zip(served, expected, strict=True)] == expected


def test_ties_are_rare(expected):
    assert sum(len(choices) < NEW_TOKENS for choices in expected) <= 1
