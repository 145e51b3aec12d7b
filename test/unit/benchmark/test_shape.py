"""Sizes of a checkpoint, read from its headers; and of its narrow relative."""

import json
from math import prod

import pytest
from benchmark.engine.narrow import write_narrow
from benchmark.engine.shape import model_shape

from support.tiny_model import make_tiny_model

pytestmark = pytest.mark.unit

CONFIG = {"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}


def write(directory, *, tied=True, types=("F16", "F16")):
    shapes = {"model.embed_tokens.weight": (10, 4), "model.layers.0.w": (4, 4)}
    if not tied:
        shapes["lm_head.weight"] = (10, 4)
    header, end = {}, 0
    for name, shape in shapes.items():
        dtype = types["layers" in name]
        begin, end = end, end + prod(shape) * (4 if dtype == "F32" else 2)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    head = json.dumps(header).encode()
    # By hand: numpy has no bfloat16.
    (directory / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(end))
    (directory / "config.json").write_text(json.dumps(CONFIG))
    return directory


@pytest.mark.parametrize("tied", [True, False])
def test_the_embedding_counts_once(tmp_path, tied):
    shape = model_shape(write(tmp_path, tied=tied))
    assert (shape.body, shape.head, shape.kv_numbers, shape.pair_flop) == (16, 40, 2 * 3 * 2 * 8, 4 * 3 * 4 * 8)
    assert (shape.float32_bytes, shape.kv_bytes) == (56 * 4, 96 * 4)


def test_one_wide_tensor_makes_the_checkpoint_wide(tmp_path):
    shape = model_shape(write(tmp_path, types=("F16", "F32")))
    assert (shape.half, shape.products) == (False, 0)


@pytest.mark.parametrize(("other", "products"), [("BF16", 3), ("F16", 5)])
def test_float16_takes_five_products_and_bfloat16_three(tmp_path, other, products):
    shape = model_shape(write(tmp_path, types=("BF16", other)))
    assert (shape.half, shape.products) == (True, products)


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
