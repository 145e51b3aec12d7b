"""The tokenizer stored in a GGUF file -> the files transformers loads."""

from pathlib import Path
from typing import Any

import msgspec

from superinfer.models.errors import ModelConversionError


def write_tokenizer(reader: Any, directory: Path, *, max_length: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja into ``directory``.

    Raises:
        ModelConversionError: The tokenizer is not the byte-level BPE of SmolLM2.
    """
    fields = {key: field.contents() for key, field in reader.fields.items() if key.startswith("tokenizer.")}
    kind = (fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise ModelConversionError(f"the converter knows the tokenizer gpt2/smollm, not {kind[0]}/{kind[1]}.")
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    _build(fields, tokens).save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "clean_up_tokenization_spaces": False,
        "bos_token": tokens[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[fields["tokenizer.ggml.padding_token_id"]],
        "unk_token": tokens[fields["tokenizer.ggml.unknown_token_id"]],
    }
    (directory / "tokenizer_config.json").write_bytes(msgspec.json.encode(config))
    (directory / "chat_template.jinja").write_text(fields["tokenizer.chat_template"], encoding="utf-8")


def _build(fields: dict[str, Any], tokens: list[str]) -> Any:
    from gguf import TokenType
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    # Each digit is a token of its own: this is what GGUF's name "smollm" stands for.
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    types = zip(tokens, fields["tokenizer.ggml.token_type"], strict=True)
    control = [token for token, kind in types if kind == TokenType.CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer
