"""SuperInfer changes when tokens come, never which: greedy outputs equal those of transformers."""

import pytest
import torch
from transformers import AutoModelForCausalLM

pytestmark = pytest.mark.integration

PROMPTS = [[5, 9, 13] * n for n in (1, 7, 30)] + [list(range(10, 200))]


@pytest.fixture(scope="module")
def expected(tiny_model):
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    outputs = [
        model.generate(torch.tensor([p]), max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0)
        for p in PROMPTS
    ]
    return [output[0, len(p) :].tolist() for output, p in zip(outputs, PROMPTS, strict=True)]


def test_greedy_tokens_equal_transformers(server, expected):
    params = {"temperature": 0, "max_new_tokens": 24, "ignore_eos": True}
    for _ in range(2):  # the second time from the prefix cache
        with server.client() as client:
            outputs = client.post("/generate", json={"input_ids": PROMPTS, "sampling_params": params}).json()
        assert [output["output_ids"] for output in outputs] == expected
