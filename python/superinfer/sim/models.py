"""Shapes of models, from their published configurations."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """What serving a model costs.

    Attributes:
        parameters: All of them.
        active_parameters: Those that a token passes.
        layers: Decoder layers.
        q_heads: Query heads.
        kv_heads: Key and value heads.
        head_dim: Length of a head's vectors.
        experts: Experts per layer; 1 for a dense model.
        experts_per_token: How many of them a token passes.
        weight_bytes: Bytes of a parameter.
        kv_item_bytes: Bytes of a number in the KV cache.
    """

    parameters: float
    active_parameters: float
    layers: int
    q_heads: int
    kv_heads: int
    head_dim: int
    experts: int = 1
    experts_per_token: int = 1
    weight_bytes: float = 2.0
    kv_item_bytes: float = 2.0

    @property
    def kv_bytes_per_token(self) -> float:
        """Keys and values of one token in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.kv_item_bytes

    def weight_bytes_read(self, tokens: int) -> float:
        """Weights that a step over ``tokens`` tokens reads: of experts, those that at least one token passes.

        Routing is taken as uniform and independent.
        """
        if self.experts == 1:
            return self.parameters * self.weight_bytes
        per_expert = (self.parameters - self.active_parameters) / (self.experts - self.experts_per_token)
        shared = self.active_parameters - self.experts_per_token * per_expert
        missed = (1 - self.experts_per_token / self.experts) ** tokens
        return (shared + self.experts * (1 - missed) * per_expert) * self.weight_bytes


def _dense(parameters: float, layers: int, q_heads: int, kv_heads: int, head_dim: int) -> Model:
    return Model(parameters, parameters, layers, q_heads, kv_heads, head_dim)


MODELS = {
    "llama-3.1-8b": _dense(8.03e9, 32, 32, 8, 128),
    "llama-3.1-70b": _dense(70.55e9, 80, 64, 8, 128),
    "qwen2.5-32b": _dense(32.76e9, 64, 40, 8, 128),
    "mixtral-8x7b": Model(46.7e9, 12.88e9, 32, 32, 8, 128, experts=8, experts_per_token=2),
    "smollm2-135m": _dense(134.5e6, 30, 9, 3, 64),
}


def model(name: str) -> Model:
    """By name.

    Raises:
        ValueError: An unknown name; lists the known ones.
    """
    if name not in MODELS:
        raise ValueError(f"model {name!r} is not known: {', '.join(MODELS)}")
    return MODELS[name]
