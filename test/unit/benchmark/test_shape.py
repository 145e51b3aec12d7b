"""Sizes of a checkpoint, read from its headers; and of its narrow relative."""

import json

import numpy as np
import pytest
from benchmark.engine.narrow import write_narrow
from benchmark.engine.shape import ModelShape, model_shape
from safetensors.numpy import save_file

from support.tiny_model import make_tiny_model

pytestmark = pytest.mark.unit

CONFIG = {"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}


def write(directory, *, tied=True, types=(np.float16, np.float16)):
    tensors = {"model.embed_tokens.weight": np.zeros((10, 4), types[0]), "model.layers.0.w": np.zeros((4, 4), types[1])}
    if not tied:
        tensors["lm_head.weight"] = np.zeros((10, 4), types[0])
    save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(CONFIG))
    return directory


@pytest.mark.parametrize("tied", [True, False])
def test_the_embedding_counts_once(tmp_path, tied):
    shape = model_shape(write(tmp_path, tied=tied))
    assert shape == ModelShape(body=16, head=40, kv_numbers=2 * 3 * 2 * 8, pair_flop=4 * 3 * 4 * 8, half=True)
    assert (shape.float32_bytes, shape.kv_bytes) == (56 * 4, 96 * 4)


def test_one_wide_tensor_makes_the_checkpoint_wide(tmp_path):
    assert not model_shape(write(tmp_path, types=(np.float16, np.float32))).half


def test_the_narrow_model_differs_in_nothing_but_weights(tmp_path):
    model = make_tiny_model(tmp_path / "model")
    narrow = write_narrow(model, tmp_path / "narrow")
    before, after = (json.loads((path / "config.json").read_text()) for path in (model, narrow))
    assert {key for key in before if before[key] != after[key]} == {"intermediate_size"}
    assert (model_shape(model).kv_bytes, model_shape(model).pair_flop) == (
        model_shape(narrow).kv_bytes,
        model_shape(narrow).pair_flop,
    )
    assert model_shape(narrow).float32_bytes < model_shape(model).float32_bytes
    assert (narrow / "tokenizer.json").exists()
