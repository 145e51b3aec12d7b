"""Random models, by default a two-layer Llama, with a byte-level tokenizer: small, fast, the same each time."""

from pathlib import Path
from typing import Any

CONTEXT = 1024
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tiny_model(directory: Path) -> Path:
    """Write the default model to ``directory`` in the form that ``--model-path`` takes."""
    from transformers import LlamaConfig

    return save_tiny_model(
        directory,
        LlamaConfig,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        # The default of 0.02 makes logits so flat that greedy tokens hang on rounding.
        initializer_range=0.5,
        tie_word_embeddings=True,
    )


def save_tiny_model(directory: Path, config_class: type, **options: Any) -> Path:
    """Write a random model of this kind, with the byte-level tokenizer, to ``directory``."""
    import torch
    from transformers import AutoModelForCausalLM

    vocabulary = _save_tokenizer(directory)
    config = config_class(
        vocab_size=vocabulary, max_position_embeddings=CONTEXT, bos_token_id=1, eos_token_id=0, **options
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).float().save_pretrained(directory)
    return directory


def _save_tokenizer(directory: Path) -> int:
    """Write the tokenizer; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: index for index, token in enumerate(["<eos>", "<bos>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", bos_token="<bos>")
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(directory)
    return len(vocab)
