"""Kernels on the paged KV cache.

All take SGLang's layout: ``k_cache`` is ``[slots, kv_heads, head_dim]`` and ``v_cache`` ``[slots, kv_heads,
v_head_dim]``, contiguous, float32, float16 or bfloat16; ``req_to_token`` is int32 ``[rows, max_context]`` and says
in which slot each position of a request lies. Arithmetic is in float32 whatever the storage.

Wrong shapes and numbers raise ``ValueError``, wrong dtypes ``TypeError``; both name the argument.
"""

from typing import TYPE_CHECKING

from superinfer.kernels.library import library

if TYPE_CHECKING:
    import torch

UNLIMITED = -1


def kv_store(
    k: "torch.Tensor", v: "torch.Tensor", k_cache: "torch.Tensor", v_cache: "torch.Tensor", loc: "torch.Tensor"
) -> None:
    """Write new keys and values into the cache, converted to its dtype.

    Args:
        k: ``[tokens, kv_heads, head_dim]``; may be a strided view whose last dimension is dense.
        v: ``[tokens, kv_heads, v_head_dim]``, likewise.
        k_cache: Written to.
        v_cache: Written to.
        loc: int64 ``[tokens]``: each token's slot; no slot twice.
    """
    library().kv_store(k, v, k_cache, v_cache, loc)


def decode_attention(
    q: "torch.Tensor",
    k_cache: "torch.Tensor",
    v_cache: "torch.Tensor",
    req_to_token: "torch.Tensor",
    rows: "torch.Tensor",
    seq_lens: "torch.Tensor",
    out: "torch.Tensor",
    *,
    scale: float,
    logit_cap: float = 0.0,
    window: int = UNLIMITED,
) -> None:
    """Attention of one new token for each request.

    Args:
        q: ``[requests, q_heads, head_dim]``, last dimension dense; ``q_heads`` a multiple of ``kv_heads``.
        k_cache: Keys, the new token's included.
        v_cache: Values, likewise.
        req_to_token: Slot of each position.
        rows: int64 ``[requests]``: row of each request in ``req_to_token``.
        seq_lens: int64 ``[requests]``: keys of each request; none give an output of zeros.
        out: ``[requests, q_heads, v_head_dim]``: written to.
        scale: Factor of the scores.
        logit_cap: Scores become ``cap * tanh(score / cap)``; 0 for no cap.
        window: Keys a query sees, its own included; negative for all.
    """
    library().decode_attention(q, k_cache, v_cache, req_to_token, rows, seq_lens, out, scale, logit_cap, window)


def extend_attention(
    q: "torch.Tensor",
    k_cache: "torch.Tensor",
    v_cache: "torch.Tensor",
    req_to_token: "torch.Tensor",
    rows: "torch.Tensor",
    seq_lens: "torch.Tensor",
    prefix_lens: "torch.Tensor",
    qo_indptr: "torch.Tensor",
    out: "torch.Tensor",
    *,
    scale: float,
    causal: bool = True,
    logit_cap: float = 0.0,
    window: int = UNLIMITED,
) -> None:
    """Attention of several new tokens for each request, over what is cached and over themselves.

    Args:
        q: ``[tokens, q_heads, head_dim]``, last dimension dense. The queries of request ``b`` are rows
            ``qo_indptr[b]`` to ``qo_indptr[b + 1]`` and positions ``prefix_lens[b]`` to ``seq_lens[b]``.
        k_cache: Keys, the new tokens' included.
        v_cache: Values, likewise.
        req_to_token: Slot of each position.
        rows: int64 ``[requests]``: row of each request in ``req_to_token``.
        seq_lens: int64 ``[requests]``: keys of each request.
        prefix_lens: int64 ``[requests]``: keys before the first query.
        qo_indptr: int64 ``[requests + 1]``, beginning with 0.
        out: ``[tokens, q_heads, v_head_dim]``: written to.
        scale: Factor of the scores.
        causal: A query sees no later position; else it sees all keys of its request.
        logit_cap: Scores become ``cap * tanh(score / cap)``; 0 for no cap.
        window: Keys a query sees, its own included; negative for all. Needs ``causal``.
    """
    library().extend_attention(
        q, k_cache, v_cache, req_to_token, rows, seq_lens, prefix_lens, qo_indptr, out, scale, causal, logit_cap, window
    )
