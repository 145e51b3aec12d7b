"""Right arguments of the kernels on the KV cache, for tests that make one of them wrong."""

from dataclasses import fields
from typing import Any

import torch

from superinfer.kernels import inputs

HEADS = inputs.Heads(q=4, kv=2, dim=16, v_dim=8)
Arguments = dict[str, Any]


def extend_arguments(prefix_lens: tuple[int, ...] = (15, 0)) -> Arguments:
    batch = inputs.paged_batch([20, 7], HEADS, prefix_lens=prefix_lens)
    tokens = int(batch.qo_indptr[-1])
    own = {field.name: getattr(batch, field.name) for field in fields(batch)}
    q, out = inputs.normal(tokens, HEADS.q, HEADS.dim), inputs.poisoned(tokens, HEADS.q, HEADS.v_dim)
    return own | {"q": q, "out": out, "scale": 0.25}


def decode_arguments() -> Arguments:
    arguments = extend_arguments((19, 6))
    del arguments["prefix_lens"], arguments["qo_indptr"]
    return arguments


def store_arguments() -> Arguments:
    return {
        "k": inputs.normal(3, 2, 16),
        "v": inputs.normal(3, 2, 8),
        "k_cache": torch.zeros(9, 2, 16),
        "v_cache": torch.zeros(9, 2, 8),
        "loc": torch.arange(3),
    }
