"""Decode attention, split over keys: programs leave partial results that a second kernel merges.

How a request is split depends on its own length alone, so that it gets the same bits in any batch, and the CPU need not
know the length.
"""

# mypy: disable-error-code="untyped-decorator"
import torch
import triton
import triton.language as tl

from superinfer.kernels.triton.blocks import ELEMENTWISE, decode_blocks, padded
from superinfer.kernels.triton.loads import load_heads, load_rows, load_slots, store_rows
from superinfer.kernels.triton.scores import TYPES, ScoreOptions, accumulate, capped, operand

SPLITS = 16  # times 8 KV heads, a common number, there is work for every multiprocessor of an A100 at one request
LEAST_KEYS = 128  # of a split: below, reading and merging partial results outweighs what is gained


@triton.jit
def keys_per_split(visible: tl.tensor, SPLITS: tl.constexpr, LEAST_KEYS: tl.constexpr) -> tl.tensor:
    """Keys of each split but the last: a multiple of ``LEAST_KEYS``."""
    return tl.cdiv(tl.cdiv(visible, SPLITS), LEAST_KEYS) * LEAST_KEYS


@triton.jit
def store_split(
    partial: tl.tensor,
    sums: tl.tensor,
    result: tl.tensor,
    live: tl.tensor,
    weighted: tl.tensor,
    peak: tl.tensor,
    total: tl.tensor,
    V_DIM: tl.constexpr,
    V_PADDED: tl.constexpr,
) -> None:
    """Write the results of a split, where ``merge_splits`` looks for them."""
    store_rows(partial, result * V_DIM, live, weighted / total[:, None], V_DIM, V_PADDED)
    tl.store(sums + result, peak + tl.log2(total), mask=live)


@triton.jit
def attend_split(
    q: tl.tensor,
    k_cache: tl.tensor,
    v_cache: tl.tensor,
    req_to_token: tl.tensor,
    rows: tl.tensor,
    seq_lens: tl.tensor,
    partial: tl.tensor,
    sums: tl.tensor,
    q_stride: tl.tensor,
    q_head_stride: tl.tensor,
    table_stride: tl.tensor,
    slots: tl.tensor,
    kv_heads: tl.tensor,
    group: tl.tensor,
    factor: tl.tensor,
    cap: tl.tensor,
    window: tl.tensor,
    CAPPED: tl.constexpr,
    SPLITS: tl.constexpr,
    LEAST_KEYS: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    DIM: tl.constexpr,
    V_DIM: tl.constexpr,
    DIM_PADDED: tl.constexpr,
    V_PADDED: tl.constexpr,
    OPERAND: tl.constexpr,
) -> None:
    """One split of one request for up to ``ROWS`` query heads that share a KV head.

    Writes ``partial`` ``[requests, q_heads, SPLITS, V_DIM]``, normalised, and ``sums`` ``[requests, q_heads, SPLITS]``,
    the base-2 logarithms of the sums of weights; both float32.
    """
    request = tl.program_id(0).to(tl.int64)
    head_blocks = tl.cdiv(group, ROWS)
    kv_head = tl.program_id(1) // head_blocks
    split = tl.program_id(2)
    length = tl.load(seq_lens + request).to(tl.int32)
    visible = tl.minimum(length, window)
    size = keys_per_split(visible, SPLITS, LEAST_KEYS)
    first = length - visible + split * size
    end = tl.minimum(first + size, length)
    if first < end:
        member = tl.program_id(1) % head_blocks * ROWS + tl.arange(0, ROWS)
        live = member < group
        head = kv_head * group + member
        query = load_rows(q, request * q_stride + head * q_head_stride, live, DIM, DIM_PADDED, OPERAND)
        table = req_to_token + tl.load(rows + request) * table_stride
        weighted = tl.zeros((ROWS, V_PADDED), tl.float32)
        peak = tl.full((ROWS,), float("-inf"), tl.float32)
        total = tl.zeros((ROWS,), tl.float32)
        for start in range(first, end, KEYS):
            position = start + tl.arange(0, KEYS)
            found, known = load_slots(table, position, end, slots)
            keys = load_heads(k_cache, found, known, kv_head, kv_heads, DIM, DIM_PADDED, OPERAND)
            scores = capped(tl.dot(query, tl.trans(keys), input_precision="ieee"), factor, cap, CAPPED)
            scores = tl.where(known[None, :], scores, float("nan"))
            scores = tl.where((position < end)[None, :], scores, float("-inf"))
            values = load_heads(v_cache, found, known, kv_head, kv_heads, V_DIM, V_PADDED, OPERAND)
            weighted, peak, total = accumulate(scores, values, weighted, peak, total)
        result = (request * kv_heads * group + head) * SPLITS + split
        store_split(partial, sums, result, live, weighted, peak, total, V_DIM, V_PADDED)


@triton.jit
def merge_splits(
    partial: tl.tensor,
    sums: tl.tensor,
    seq_lens: tl.tensor,
    out: tl.tensor,
    out_stride: tl.tensor,
    out_head_stride: tl.tensor,
    q_heads: tl.tensor,
    window: tl.tensor,
    SPLITS: tl.constexpr,
    LEAST_KEYS: tl.constexpr,
    V_DIM: tl.constexpr,
    V_PADDED: tl.constexpr,
) -> None:
    """Weigh the partial results of one head of one request by their sums."""
    request = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    visible = tl.minimum(tl.load(seq_lens + request).to(tl.int32), window)
    split = tl.arange(0, SPLITS)
    live = split * keys_per_split(visible, SPLITS, LEAST_KEYS) < visible
    result = (request * q_heads + head) * SPLITS + split
    logarithms = tl.load(sums + result, mask=live, other=float("-inf"))
    peak = tl.max(logarithms, 0)
    weights = tl.where(live, tl.exp2(logarithms - peak), 0.0)
    total = tl.sum(weights, 0)
    column = tl.arange(0, V_PADDED)
    mask = live[:, None] & (column < V_DIM)[None, :]
    parts = tl.load(partial + result[:, None] * V_DIM + column[None, :], mask=mask, other=0.0)
    merged = tl.sum(parts * weights[:, None], 0) / tl.where(visible > 0, total, 1.0)
    target = out + request * out_stride + head * out_head_stride + column
    tl.store(target, merged.to(out.dtype.element_ty), mask=column < V_DIM)


def launch(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    req_to_token: torch.Tensor,
    rows: torch.Tensor,
    seq_lens: torch.Tensor,
    out: torch.Tensor,
    options: ScoreOptions,
) -> None:
    """Launch both kernels on arguments that are known to be right."""
    requests, q_heads, dim = q.shape
    if requests == 0:
        return
    slots, kv_heads, v_dim = v_cache.shape
    group = q_heads // kv_heads
    dtype = operand(q, k_cache)
    blocks = decode_blocks(max(padded(dim), padded(v_dim)), dtype.itemsize)
    partial, sums = room_for_splits(out)
    attend_split[(requests, kv_heads * triton.cdiv(group, blocks.rows), SPLITS)](
        q,
        k_cache,
        v_cache,
        req_to_token,
        rows,
        seq_lens,
        partial,
        sums,
        q.stride(0),
        q.stride(1),
        req_to_token.stride(0),
        slots,
        kv_heads,
        group,
        options.factor,
        options.cap,
        options.window,
        CAPPED=options.cap > 0,
        SPLITS=SPLITS,
        LEAST_KEYS=LEAST_KEYS,
        ROWS=blocks.rows,
        KEYS=blocks.keys,
        DIM=dim,
        V_DIM=v_dim,
        DIM_PADDED=padded(dim),
        V_PADDED=padded(v_dim),
        OPERAND=TYPES[dtype],
        **blocks.options,
    )
    launch_merge(partial, sums, seq_lens, out, options)


def room_for_splits(out: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Room for the results of all splits, and for their sums."""
    requests, q_heads, v_dim = out.shape
    partial = torch.empty(requests, q_heads, SPLITS, v_dim, dtype=torch.float32, device=out.device)
    return partial, torch.empty(requests, q_heads, SPLITS, dtype=torch.float32, device=out.device)


def launch_merge(
    partial: torch.Tensor, sums: torch.Tensor, seq_lens: torch.Tensor, out: torch.Tensor, options: ScoreOptions
) -> None:
    """Launch the second kernel."""
    requests, q_heads, v_dim = out.shape
    merge_splits[(requests, q_heads)](
        partial,
        sums,
        seq_lens,
        out,
        out.stride(0),
        out.stride(1),
        q_heads,
        options.window,
        SPLITS=SPLITS,
        LEAST_KEYS=LEAST_KEYS,
        V_DIM=v_dim,
        V_PADDED=padded(v_dim),
        **ELEMENTWISE.options,
    )
