"""What of a model's architecture the bounds need: how much there is to read and to compute."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

import msgspec

FLOAT32_BYTES = 4
_HALF_TYPES = frozenset({"F16", "BF16"})


class _Config(msgspec.Struct):
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a model.

    Attributes:
        body: Parameters that every token passes.
        head: The output projection's parameters, which only tokens that are sampled from pass.
        kv_numbers: Numbers that the KV cache holds for one position.
        pair_flop: Floating-point operations of attention for one query and one position that it attends to.
        half: Every weight of the checkpoint is a number of 16 bits.
        products: Products of bfloat16 that give what one of float32 with these weights would: three if all of them are
            bfloat16, five if some are float16 (the sum of two bfloat16); 0 if they are not all of 16 bits.
    """

    body: int
    head: int
    kv_numbers: int
    pair_flop: int
    half: bool
    products: int = 0

    @property
    def float32_bytes(self) -> int:
        """All weights in float32."""
        return self.weight_bytes(FLOAT32_BYTES)

    @property
    def kv_bytes(self) -> int:
        """What one position takes in a float32 KV cache."""
        return self.kv_numbers * FLOAT32_BYTES

    def weight_bytes(self, bytes_per_weight: int) -> int:
        """All weights, the output projection once even if it is the embedding too."""
        return (self.body + self.head) * bytes_per_weight


def model_shape(model: Path) -> ModelShape:
    """Read the configuration and the headers of the safetensors files of a model directory.

    Raises:
        msgspec.ValidationError: The configuration lacks a number; the message names it.
        KeyError: There is no embedding under its usual name.
    """
    config = msgspec.json.decode((model / "config.json").read_bytes(), type=_Config)
    tensors = {name: tensor for file in model.glob("*.safetensors") for name, tensor in _header(file).items()}
    counts = {name: prod(shape) for name, (_, shape) in tensors.items()}
    embedding = counts.pop("model.embed_tokens.weight")
    types = {dtype for dtype, _ in tensors.values()}
    half = types <= _HALF_TYPES
    return ModelShape(
        body=sum(counts.values()) - counts.get("lm_head.weight", 0),
        head=embedding,
        kv_numbers=2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim,
        # A product of query and key, and one of weight and value, of two operations per number each.
        pair_flop=4 * config.num_hidden_layers * config.num_attention_heads * config.head_dim,
        half=half,
        products=(5 if "F16" in types else 3) if half else 0,
    )


def _header(file: Path) -> dict[str, tuple[str, list[int]]]:
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as tensors:
        slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
    return {name: (part.get_dtype(), part.get_shape()) for name, part in slices.items()}
