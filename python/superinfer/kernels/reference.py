"""What the kernels compute, slowly and in float64: the tests' truth and the documentation's definition."""

import torch

from superinfer.kernels.inputs import PagedBatch


def attention(
    q: torch.Tensor,
    batch: PagedBatch,
    *,
    scale: float,
    causal: bool = True,
    logit_cap: float = 0.0,
    window: int = -1,
) -> torch.Tensor:
    """Attention of the queries ``qo_indptr`` assigns to each request: decode is the case of one query each.

    Returns:
        float64 ``[tokens, q_heads, v_head_dim]``.
    """
    out = torch.zeros(q.shape[0], q.shape[1], batch.v_cache.shape[2], dtype=torch.float64)
    group = q.shape[1] // batch.k_cache.shape[1]
    for b, (row, length, prefix) in enumerate(
        zip(batch.rows.tolist(), batch.seq_lens.tolist(), batch.prefix_lens.tolist(), strict=True)
    ):
        slots = batch.req_to_token[row, :length].long()
        keys = batch.k_cache[slots].double().repeat_interleave(group, dim=1)
        values = batch.v_cache[slots].double().repeat_interleave(group, dim=1)
        mine = slice(int(batch.qo_indptr[b]), int(batch.qo_indptr[b + 1]))
        scores = torch.einsum("qhd,khd->hqk", q[mine].double(), keys) * scale
        if logit_cap > 0:
            scores = logit_cap * torch.tanh(scores / logit_cap)
        seen = _visible(prefix, length, causal, window)
        weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
        out[mine] = torch.einsum("hqk,khd->qhd", weights, values)
    return out


def _visible(prefix: int, length: int, causal: bool, window: int) -> torch.Tensor:
    """Bool ``[queries, keys]``: which keys each query sees."""
    query = torch.arange(prefix, length)[:, None]
    key = torch.arange(length)[None]
    seen = key <= query if causal else torch.ones(length - prefix, length, dtype=torch.bool)
    return seen & (key > query - window) if window >= 0 else seen


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Float64 ``x / sqrt(mean(x^2) + eps) * weight``."""
    x = x.double()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight.double()


def rope(x: torch.Tensor, positions: torch.Tensor, cos_sin: torch.Tensor, *, interleaved: bool) -> torch.Tensor:
    """Float64 rotated copy of ``[tokens, heads, head_dim]``."""
    half = cos_sin.shape[1] // 2
    cos, sin = cos_sin.double()[positions][:, None].split(half, dim=-1)
    out = x.double().clone()
    first, second = (
        (slice(0, 2 * half, 2), slice(1, 2 * half, 2)) if interleaved else (slice(0, half), slice(half, 2 * half))
    )
    a, b = x.double()[..., first], x.double()[..., second]
    out[..., first] = a * cos - b * sin
    out[..., second] = b * cos + a * sin
    return out


def silu_and_mul(x: torch.Tensor) -> torch.Tensor:
    """Float64 ``silu(gate) * up``."""
    gate, up = x.double().chunk(2, dim=-1)
    return gate * torch.sigmoid(gate) * up


def linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """float64 ``[rows, outputs]``."""
    return x.double() @ weight.double().T
