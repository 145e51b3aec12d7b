"""What callers see: each function takes what its namesake in ``superinfer.kernels.attention`` takes.

Where they differ: numbers that lie in tensors are not checked, as reading them would make the CPU wait for the GPU. A
slot outside the cache makes that request's attention NaN, and is not stored to. 16-bit queries on a cache of the same
dtype are multiplied as they are, on tensor cores, and the weights rounded to that dtype; sums are float32. Every other
combination is float32 throughout. Kernels run on torch's current device and stream.

All raise ``ValueError`` for wrong shapes, ``TypeError`` for wrong dtypes, and :class:`KernelsUnavailable` without
Triton or with tensors that are not on a GPU.
"""

from typing import TYPE_CHECKING

from superinfer.kernels.attention import UNLIMITED
from superinfer.kernels.triton import checks

if TYPE_CHECKING:
    import torch


def kv_store(
    k: "torch.Tensor", v: "torch.Tensor", k_cache: "torch.Tensor", v_cache: "torch.Tensor", loc: "torch.Tensor"
) -> None:
    """Write new keys and values into the cache: see :func:`superinfer.kernels.kv_store`."""
    checks.check_store(k, v, k_cache, v_cache, loc)
    checks.check_device(k)
    from superinfer.kernels.triton import store

    store.launch(k, v, k_cache, v_cache, loc)


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
    """Attention of one new token for each request: see :func:`superinfer.kernels.decode_attention`."""
    checks.check_attention(q, k_cache, v_cache, req_to_token, rows, seq_lens, out)
    checks.check_size(q, "q", 0, rows.numel())
    checks.check_scores(logit_cap, window)
    checks.check_device(q)
    from superinfer.kernels.triton import decode, scores

    options = scores.options(scale, logit_cap, window)
    decode.launch(q, k_cache, v_cache, req_to_token, rows, seq_lens, out, options)


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
    """Attention of several new tokens for each request: see :func:`superinfer.kernels.extend_attention`."""
    checks.check_attention(q, k_cache, v_cache, req_to_token, rows, seq_lens, out)
    checks.check_integers(prefix_lens, "prefix_lens", rows.numel())
    checks.check_integers(qo_indptr, "qo_indptr", rows.numel() + 1)
    checks.check_scores(logit_cap, window, causal=causal)
    checks.check_device(q)
    from superinfer.kernels.triton import extend, scores

    options = scores.options(scale, logit_cap, window)
    extend.launch(q, k_cache, v_cache, req_to_token, rows, seq_lens, prefix_lens, qo_indptr, out, options, causal)
