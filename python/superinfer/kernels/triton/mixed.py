"""What callers see of the kernels on several formats: see ``superinfer.kernels.mixed`` for arguments.

``slots`` lies on the CPU. Pages to seal are all of one pair of formats, which the caller names, since reading their
slots would make the CPU wait. What is multiplied on tensor cores is rounded to the queries' dtype first. A slot that
cannot be makes its request NaN. Everything else is as in ``superinfer.kernels.triton.attention``.
"""

from typing import TYPE_CHECKING

from superinfer.kernels.triton import checks
from superinfer.kv.formats import Format

if TYPE_CHECKING:
    import torch

EVERYTHING = -1


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
    """Attention of one new token for each request: see :func:`superinfer.kernels.mixed_decode_attention`."""
    checks.check_attention(q, k_cache, v_cache, req_to_token, rows, seq_lens, out)
    checks.check_size(q, "q", 0, rows.numel())
    checks.check_scores(logit_cap, EVERYTHING)
    starts = checks.check_slots(slots, k_cache)
    checks.check_device(q)
    from superinfer.kernels.triton import mixed_decode, scores

    options = scores.options(scale, logit_cap, EVERYTHING)
    mixed_decode.launch(q, k_cache, v_cache, starts, req_to_token, rows, seq_lens, out, options)


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
    """Attention of several new tokens for each request: see :func:`superinfer.kernels.mixed_extend_attention`."""
    checks.check_attention(q, k_cache, v_cache, req_to_token, rows, seq_lens, out)
    checks.check_integers(prefix_lens, "prefix_lens", rows.numel())
    checks.check_integers(qo_indptr, "qo_indptr", rows.numel() + 1)
    checks.check_scores(logit_cap, EVERYTHING)
    starts = checks.check_slots(slots, k_cache)
    checks.check_device(q)
    from superinfer.kernels.triton import mixed_extend, scores

    options = scores.options(scale, logit_cap, EVERYTHING)
    batch = (req_to_token, rows, seq_lens, prefix_lens, qo_indptr)
    mixed_extend.launch(q, k_cache, v_cache, starts, *batch, out, options, causal)


def seal_pages(
    k_cache: "torch.Tensor",
    v_cache: "torch.Tensor",
    slots: "torch.Tensor",
    source: "torch.Tensor",
    target: "torch.Tensor",
    *,
    source_format: Format,
    target_format: Format,
) -> None:
    """Copy whole pages into a coarser format: see :func:`superinfer.kernels.seal_pages`.

    Raises:
        ValueError: The target's format is not coarser, or as there.
    """
    checks.check_pool(k_cache, v_cache)
    starts = checks.check_slots(slots, k_cache)
    checks.check_integers(source, "source", source.numel())
    checks.check_integers(target, "target", source.numel())
    if target_format not in source_format.coarser:
        raise ValueError(f"target_format {target_format.label} is not coarser than {source_format.label}")
    checks.check_device(k_cache)
    from superinfer.kernels.triton import seal

    from_bits = 0 if source_format is Format.NATIVE else source_format.bits
    seal.launch(k_cache, v_cache, starts, source, target, from_bits, target_format.bits)
