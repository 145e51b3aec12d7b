"""A GGUF file of the SmolLM2 family -> a directory in the form transformers and SGLang load.

The GGUF is read directly, and not through transformers' own GGUF support, because that takes several times
as long, needs torch and accelerate, and drops from the tokenizer the rule that splits numbers into digits.
"""

from pathlib import Path
from typing import Any

import msgspec

from superinfer.models.errors import ModelConversionError
from superinfer.models.tokenizer import write_tokenizer
from superinfer.models.weights import DTYPE, write_weights


def convert_gguf(gguf: Path, directory: Path) -> None:
    """Write config, generation config, tokenizer and weights of ``gguf`` into ``directory``.

    Raises:
        ModelConversionError: The file is of another architecture, or holds a tensor without a counterpart.
    """
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    if (architecture := _field(reader, "general.architecture")) != "llama":
        raise ModelConversionError(f"the converter reads llama models; {gguf.name} is {architecture!r}.")
    config = _model_config(reader)
    _write_json(directory / "config.json", config)
    special = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write_json(directory / "generation_config.json", special)
    write_tokenizer(reader, directory, max_length=config["max_position_embeddings"])
    write_weights(
        reader,
        directory,
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
    )


def _model_config(reader: Any) -> dict[str, Any]:
    hidden_size = _field(reader, "llama.embedding_length")
    heads = _field(reader, "llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": DTYPE,
        "vocab_size": _field(reader, "llama.vocab_size"),
        "hidden_size": hidden_size,
        "intermediate_size": _field(reader, "llama.feed_forward_length"),
        "num_hidden_layers": _field(reader, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": _field(reader, "llama.attention.head_count_kv"),
        "head_dim": hidden_size // heads,
        "hidden_act": "silu",
        "max_position_embeddings": _field(reader, "llama.context_length"),
        "rope_theta": _field(reader, "llama.rope.freq_base"),
        # GGUF keeps it as float32: six digits give back the 1e-05 of the original.
        "rms_norm_eps": float(f"{_field(reader, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "tie_word_embeddings": True,
        "bos_token_id": _field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": _field(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": _field(reader, "tokenizer.ggml.padding_token_id"),
    }


def _field(reader: Any, key: str) -> Any:
    field = reader.get_field(key)
    if field is None:
        raise ModelConversionError(f"the GGUF file has no field {key!r}.")
    return field.contents()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
