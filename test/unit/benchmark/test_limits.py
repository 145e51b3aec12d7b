"""Bounds of a machine and a model that are easy to compute with."""

import numpy as np
import pytest
from benchmark.engine.limits import Limits, ModelSize, model_size
from safetensors.numpy import save_file

pytestmark = pytest.mark.unit

LIMITS = Limits(read_bytes_per_s=4_000.0, fp32_flop_per_s=20_000.0)
SIZE = ModelSize(body=900, head=100)  # 4000 bytes: read in 1 s; 2000 operations a token: 10 tokens in 1 s


@pytest.mark.parametrize(("batch", "bound_tok_s"), [(1, 1.0), (10, 10.0), (20, 10.0)])
def test_decode_is_bound_by_memory_and_then_by_arithmetic(batch, bound_tok_s):
    assert SIZE.decode_bound_tok_s(LIMITS, batch) == pytest.approx(bound_tok_s)


def test_prefill_computes_the_head_for_one_token():
    assert SIZE.prefill_bound_tok_s(LIMITS, 100) == pytest.approx(100 / ((1_800 * 100 + 200) / 20_000))


def test_a_short_prompt_is_bound_by_reading_the_weights():
    assert SIZE.prefill_bound_tok_s(LIMITS, 2) == pytest.approx(2.0)


@pytest.mark.parametrize("tied", [True, False])
def test_the_embedding_counts_once(tmp_path, tied):
    tensors = {
        "model.embed_tokens.weight": np.zeros((10, 4), np.float16),
        "model.layers.0.w": np.zeros((4, 4), np.float16),
    }
    if not tied:
        tensors["lm_head.weight"] = np.zeros((10, 4), np.float16)
    save_file(tensors, tmp_path / "model.safetensors")
    assert model_size(tmp_path) == ModelSize(body=16, head=40)
