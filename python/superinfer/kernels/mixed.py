"""Kernels on a KV cache of several formats: native pages, and pages sealed into 8 or 4 bits.

``k_cache`` and ``v_cache`` are the native slots as in :mod:`superinfer.kernels.attention`; the sealed pages lie in the
same memory, as :mod:`superinfer.kv.layout` says. ``slots`` is int64 ``[3]``: the first slot of int8, the first of int4
and the one after the last (:attr:`superinfer.kv.Regions.slots`). A request may read any formats in any order, page by
page; within a sealed page its positions lie in order, and begin at multiples of ``PAGE_TOKENS``.

A request all of whose pages are native gets the same bits as from the plain kernels. Errors are as there.
"""

from typing import TYPE_CHECKING

from superinfer.kernels.library import library

if TYPE_CHECKING:
    import torch


def mixed_decode_attention(
    q: "torch.Tensor",
    k_cache: "torch.Tensor",
    v_cache: "torch.Tensor",
    slots: "torch.Tensor",
    req_to_token: "torch.Tensor",
    rows: "torch.Tensor",
    seq_lens: "torch.Tensor",
    out: "torch.Tensor",
    *,
    scale: float,
    logit_cap: float = 0.0,
) -> None:
    """Attention of one new token for each request.

    Args:
        q: ``[requests, q_heads, head_dim]``, last dimension dense; ``q_heads`` a multiple of ``kv_heads``.
        k_cache: Memory of the keys, as native slots.
        v_cache: Memory of the values, likewise.
        slots: Where the formats begin.
        req_to_token: Slot of each position.
        rows: int64 ``[requests]``: row of each request in ``req_to_token``.
        seq_lens: int64 ``[requests]``: keys of each request; none give an output of zeros.
        out: ``[requests, q_heads, v_head_dim]``: written to.
        scale: Factor of the scores.
        logit_cap: Scores become ``cap * tanh(score / cap)``; 0 for no cap.
    """
    library().mixed_decode_attention(q, k_cache, v_cache, slots, req_to_token, rows, seq_lens, out, scale, logit_cap)


def mixed_extend_attention(
    q: "torch.Tensor",
    k_cache: "torch.Tensor",
    v_cache: "torch.Tensor",
    slots: "torch.Tensor",
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
) -> None:
    """Attention of several new tokens for each request, over what is cached and over themselves.

    Args:
        q: ``[tokens, q_heads, head_dim]``, last dimension dense. The queries of request ``b`` are rows
            ``qo_indptr[b]`` to ``qo_indptr[b + 1]`` and positions ``prefix_lens[b]`` to ``seq_lens[b]``.
        k_cache: Memory of the keys, as native slots.
        v_cache: Memory of the values, likewise.
        slots: Where the formats begin.
        req_to_token: Slot of each position.
        rows: int64 ``[requests]``: row of each request in ``req_to_token``.
        seq_lens: int64 ``[requests]``: keys of each request.
        prefix_lens: int64 ``[requests]``: keys before the first query.
        qo_indptr: int64 ``[requests + 1]``, beginning with 0.
        out: ``[tokens, q_heads, v_head_dim]``: written to.
        scale: Factor of the scores.
        causal: A query sees no later position; else it sees all keys of its request.
        logit_cap: Scores become ``cap * tanh(score / cap)``; 0 for no cap.
    """
    batch = (req_to_token, rows, seq_lens, prefix_lens, qo_indptr)
    library().mixed_extend_attention(q, k_cache, v_cache, slots, *batch, out, scale, causal, logit_cap)


def seal_pages(
    k_cache: "torch.Tensor",
    v_cache: "torch.Tensor",
    slots: "torch.Tensor",
    source: "torch.Tensor",
    target: "torch.Tensor",
) -> None:
    """Copy whole pages into a coarser format, by the codes that :mod:`superinfer.kv.codec` defines, bit for bit.

    A head of a page with a number that is not finite is NaN afterwards, all of it.

    Args:
        k_cache: Memory of the keys, as native slots.
        v_cache: Memory of the values, likewise.
        slots: Where the formats begin.
        source: int64 ``[pages]``: first slots of pages, native or int8; they stay as they are.
        target: int64 ``[pages]``: first slots of the pages that are written; none overlaps a source.
    """
    library().seal_pages(k_cache, v_cache, slots, source, target)
