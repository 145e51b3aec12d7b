"""Models on the loop of kernels, and one that stays on SGLang's modules: greedy outputs equal those of transformers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from support.server import running_server
from support.tiny_model import save_tiny_model

pytestmark = pytest.mark.integration

PROMPTS = [[5, 9, 13] * n for n in (1, 7, 30)] + [list(range(10, 200))]
SIZES = {"hidden_size": 96, "intermediate_size": 200, "num_hidden_layers": 3, "initializer_range": 0.5}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 10000.0,
}


@dataclass(frozen=True)
class Case:
    config: type
    loop: bool
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "llama-mha-llama3-rope": Case(
        LlamaConfig, True, {"num_attention_heads": 2, "num_key_value_heads": 2, "rope_parameters": LLAMA3_ROPE}
    ),
    "qwen2-biases-untied": Case(
        Qwen2Config, True, {"num_attention_heads": 6, "num_key_value_heads": 3, "tie_word_embeddings": False}
    ),
    "qwen3-query-norms": Case(Qwen3Config, False, {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 80}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_greedy_tokens_equal_transformers(case: Case, tmp_path: Path):
    directory = save_tiny_model(tmp_path / "model", case.config, **SIZES, **case.options)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    expected = [
        model.generate(torch.tensor([p]), max_new_tokens=16, do_sample=False, eos_token_id=None, pad_token_id=0)
        for p in PROMPTS
    ]
    log = tmp_path / "server.log"
    args = ["--model-path", str(directory), "--max-total-tokens", "2048", "--log-level", "info", "--dtype", "float32"]
    params = {"temperature": 0, "max_new_tokens": 16, "ignore_eos": True}
    with running_server(log, *args) as server, server.client() as client:
        outputs = client.post("/generate", json={"input_ids": PROMPTS, "sampling_params": params}).json()
    assert [o["output_ids"] for o in outputs] == [
        e[0, len(p) :].tolist() for e, p in zip(expected, PROMPTS, strict=True)
    ]
    assert f"own loop over the layers: {case.loop}" in log.read_text(errors="replace")


def test_packed_weights_are_not_updated_and_the_server_lives(overlap_server, tiny_model):
    with overlap_server.client() as client:
        reply = client.post("/update_weights_from_disk", json={"model_path": str(tiny_model)})
        assert reply.status_code == 400
        assert "packed for its kernels" in reply.json()["message"]
        assert client.post("/generate", json={"text": "x", "sampling_params": {"max_new_tokens": 1}}).status_code == 200
    assert overlap_server.alive()
