"""What cannot work with memory of several formats and shows only once the model is known."""

from typing import Any

import torch
from sglang.srt.layers.radix_attention import AttentionType, RadixAttention

from superinfer.srt.kv import NUMBERS
from superinfer.srt.support import UnsupportedError


def check_pool(kvc: Any) -> None:
    """Refuse caches that are not keys and values of all heads in plain numbers.

    Args:
        kvc: SGLang's configurator of the KV cache.

    Raises:
        UnsupportedError: It is something else.
    """
    if kvc.use_mla_backend:
        raise _refused("for models with latent attention", "it seals pages of keys and of values")
    if kvc.mambaish_config is not None:
        raise _refused("for models with recurrent state", "it seals pages of keys and of values")
    if kvc.kv_cache_dtype not in NUMBERS:
        numbers = "native pages hold bfloat16, float16 or float32"
        raise _refused(f"with --kv-cache-dtype {kvc.kv_cache_dtype_str}", numbers)


def check_layers(model: torch.nn.Module) -> None:
    """Refuse models whose attention the kernels over several formats do not compute.

    Raises:
        UnsupportedError: A layer does not attend to all tokens before.
    """
    for layer in model.modules():
        if isinstance(layer, RadixAttention):
            windowed = layer.sliding_window_size is not None and layer.sliding_window_size > -1
            if windowed or layer.is_cross_attention or layer.attn_type is not AttentionType.DECODER:
                raise _refused("for models with sliding windows or encoders", "its kernels attend to all tokens before")


def _refused(mode: str, why: str) -> UnsupportedError:
    return UnsupportedError(f"SuperInfer does not support --kv-budget {mode}: {why}.")
