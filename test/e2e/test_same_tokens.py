"""SmolLM2's greedy tokens are those of transformers."""

import httpx
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = pytest.mark.e2e

QUESTIONS = ["What is the capital of France?", "Name three primary colors.", "Write a line about the sea."]


def test_greedy_tokens_equal_transformers(base_url, model_path):
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    params = {"temperature": 0, "max_new_tokens": 32}
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        output = model.generate(torch.tensor([ids]), max_new_tokens=32, do_sample=False)[0, len(ids) :].tolist()
        body = {"input_ids": ids, "sampling_params": params}
        served = httpx.post(f"{base_url}/generate", json=body, timeout=120).json()["output_ids"]
        assert served == output
