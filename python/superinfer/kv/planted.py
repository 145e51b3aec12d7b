"""Key outliers like those that make 4-bit keys fail on some models, planted into one that has none."""

import torch

FACTOR = 30.0
"""About what the largest key channels of Qwen2.5 are above the others."""

PAIRS = 2


def plant(model: torch.nn.Module) -> None:
    """Scale two RoPE pairs of key channels of every head by ``FACTOR``, and the queries' by its inverse, in place.

    Products of queries and keys stay what they were, and with them the model's exact output.

    Raises:
        ValueError: The model's attention is not made of ``q_proj`` and ``k_proj`` with nothing between them and RoPE.
    """
    layers = [module for module in model.modules() if hasattr(module, "q_proj") and hasattr(module, "k_proj")]
    if not layers or any(hasattr(layer, "q_norm") for layer in layers):
        raise ValueError("outliers can be planted only where attention has q_proj and k_proj and does not norm them")
    for layer in layers:
        dim = layer.head_dim
        channels = [first + half for first in _first_channels(dim) for half in (0, dim // 2)]
        for projection, factor in ((layer.k_proj, FACTOR), (layer.q_proj, 1 / FACTOR)):
            _scale_rows(projection, dim, channels, factor)


def _first_channels(dim: int) -> list[int]:
    """Spread over the frequencies: a pair is a channel and the one half a head after it."""
    return [(2 * i + 1) * (dim // 2) // (2 * PAIRS) for i in range(PAIRS)]


def _scale_rows(projection: torch.nn.Linear, dim: int, channels: list[int], factor: float) -> None:
    with torch.no_grad():
        for weight in (projection.weight, projection.bias):
            if weight is not None:
                weight.view(-1, dim, *weight.shape[1:])[:, channels] *= factor
