"""Conversion of a two-layer model written here, in GGUF's row order, by the inverse rule."""

import json

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, dequantize, quantize
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from superinfer.models import ModelConversionError
from superinfer.models.convert import convert_gguf
from superinfer.models.weights import target_name

pytestmark = pytest.mark.unit

HEADS, KV_HEADS, HEAD_DIM, HIDDEN, FFN = 4, 2, 16, 64, 96
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "Ġ", "ĠĠ", "1", "2", "a", "b", "ab"]
SHAPES = {
    "attn_norm": (HIDDEN,),
    "attn_q": (HEADS * HEAD_DIM, HIDDEN),
    "attn_k": (KV_HEADS * HEAD_DIM, HIDDEN),
    "attn_v": (KV_HEADS * HEAD_DIM, HIDDEN),
    "attn_output": (HIDDEN, HEADS * HEAD_DIM),
    "ffn_norm": (HIDDEN,),
    "ffn_gate": (FFN, HIDDEN),
    "ffn_up": (FFN, HIDDEN),
    "ffn_down": (HIDDEN, FFN),
}


def write_fields(writer, pre):
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_block_count(2)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(TOKENS) - 3))
    writer.add_token_merges(["Ġ Ġ", "a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{{ messages[0].content }}")


def write_gguf(path, *, architecture="llama", pre="smollm", extra=None):
    """Write a model in Q4_1 with float32 norms; return the de-quantised tensors by GGUF name."""
    random = np.random.default_rng(0)
    writer = GGUFWriter(path, architecture)
    write_fields(writer, pre)
    shapes = {f"blk.{n}.{name}.weight": shape for n in range(2) for name, shape in SHAPES.items()}
    shapes |= {"token_embd.weight": (len(TOKENS), HIDDEN), "output_norm.weight": (HIDDEN,), **(extra or {})}
    expected = {}
    for name, shape in shapes.items():
        values = random.standard_normal(shape, dtype=np.float32)
        if len(shape) == 2:
            packed = quantize(values, GGMLQuantizationType.Q4_1)
            writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType.Q4_1)
            values = dequantize(packed, GGMLQuantizationType.Q4_1)
        else:
            writer.add_tensor(name, values)
        expected[name] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


@pytest.fixture
def converted(tmp_path):
    expected = write_gguf(tmp_path / "tiny.gguf")
    out = tmp_path / "out"
    out.mkdir()
    convert_gguf(tmp_path / "tiny.gguf", out)
    return out, expected


def test_every_tensor_is_stored_once_and_de_quantised(converted):
    out, expected = converted
    weights = load_file(out / "model.safetensors")
    assert set(weights) == {target_name(name) for name in expected}
    assert "lm_head.weight" not in weights
    unordered = [name for name in expected if "attn_q" not in name and "attn_k" not in name]
    for name in unordered:
        np.testing.assert_array_equal(weights[target_name(name)], expected[name].astype(np.float16))


@pytest.mark.parametrize(("name", "heads"), [("attn_q", HEADS), ("attn_k", KV_HEADS)])
def test_rotary_pairs_are_half_a_head_apart(converted, name, heads):
    out, expected = converted
    stored = load_file(out / "model.safetensors")[target_name(f"blk.1.{name}.weight")]
    source = expected[f"blk.1.{name}.weight"].astype(np.float16)
    for head in range(heads):
        start = head * HEAD_DIM
        for pair in range(HEAD_DIM // 2):
            np.testing.assert_array_equal(stored[start + pair], source[start + 2 * pair])
            second = start + pair + HEAD_DIM // 2
            np.testing.assert_array_equal(stored[second], source[start + 2 * pair + 1])


def test_config_has_the_values_of_the_file(converted):
    config = json.loads((converted[0] / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["tie_word_embeddings"] is True
    assert (config["rms_norm_eps"], config["rope_theta"], config["dtype"]) == (1e-5, 100000.0, "float16")
    assert (config["num_hidden_layers"], config["num_key_value_heads"], config["head_dim"]) == (2, 2, 16)
    generation = json.loads((converted[0] / "generation_config.json").read_text())
    assert generation == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}


def test_tokenizer_splits_digits_and_knows_its_special_tokens(converted):
    tokenizer = Tokenizer.from_file(str(converted[0] / "tokenizer.json"))
    # The spaces before a digit stay together only if the digit is split off first.
    assert tokenizer.encode("ab  12<|im_end|>").tokens == ["ab", "ĠĠ", "1", "2", "<|im_end|>"]
    assert tokenizer.decode([9, 3, 5, 2]) == "ab 1"
    assert (converted[0] / "chat_template.jinja").read_text() == "{{ messages[0].content }}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "falcon"}, "reads llama models; tiny.gguf is 'falcon'"),
        ({"pre": "llama-bpe"}, "knows the tokenizer gpt2/smollm, not gpt2/llama-bpe"),
        ({"extra": {"output.weight": (len(TOKENS), HIDDEN)}}, r"tensor output\.weight has no counterpart"),
        ({"extra": {"blk.0.attn_q_norm.weight": (HIDDEN,)}}, "attn_q_norm.weight has no counterpart"),
    ],
)
def test_foreign_models_are_refused_by_name(tmp_path, change, message):
    write_gguf(tmp_path / "tiny.gguf", **change)
    with pytest.raises(ModelConversionError, match=message):
        convert_gguf(tmp_path / "tiny.gguf", tmp_path)
