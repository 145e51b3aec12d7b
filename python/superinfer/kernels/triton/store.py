"""Writing new keys and values into the cache."""

# mypy: disable-error-code="untyped-decorator"
import torch
import triton
import triton.language as tl

from superinfer.kernels.triton.blocks import ELEMENTWISE, padded
from superinfer.kernels.triton.loads import load_rows


@triton.jit(do_not_specialize=["tokens"])  # no compilation in the middle of serving for 1 token or 16
def store_heads(
    x: tl.tensor,
    cache: tl.tensor,
    loc: tl.tensor,
    x_stride: tl.tensor,
    x_head_stride: tl.tensor,
    tokens: tl.tensor,
    slots: tl.tensor,
    heads: tl.tensor,
    TOKENS: tl.constexpr,
    DIM: tl.constexpr,
    PADDED: tl.constexpr,
) -> None:
    """One head of ``TOKENS`` rows, converted; slots outside the cache are left out."""
    token = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    head = tl.program_id(1)
    slot = tl.load(loc + token, mask=token < tokens, other=-1)
    live = (slot >= 0) & (slot < slots)
    dtype: tl.constexpr = cache.dtype.element_ty
    numbers = load_rows(x, token * x_stride + head * x_head_stride, live, DIM, PADDED, dtype)
    column = tl.arange(0, PADDED)
    target = cache + ((slot * heads + head) * DIM)[:, None] + column[None, :]
    tl.store(target, numbers, mask=live[:, None] & (column < DIM)[None, :])


def launch(k: torch.Tensor, v: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, loc: torch.Tensor) -> None:
    """Launch the kernel for keys and for values, on arguments that are known to be right."""
    tokens = loc.numel()
    if tokens == 0:
        return
    for x, cache in ((k, k_cache), (v, v_cache)):
        slots, heads, dim = cache.shape
        store_heads[(triton.cdiv(tokens, ELEMENTWISE.rows), heads)](
            x,
            cache,
            loc,
            x.stride(0),
            x.stride(1),
            tokens,
            slots,
            heads,
            TOKENS=ELEMENTWISE.rows,
            DIM=dim,
            PADDED=padded(dim),
            **ELEMENTWISE.options,
        )
