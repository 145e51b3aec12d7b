"""Decode attention over pages of several formats, split over keys as that over one format is."""

# mypy: disable-error-code="untyped-decorator"
import torch
import triton
import triton.language as tl

from superinfer.kernels.triton.blocks import mixed_decode_blocks, padded
from superinfer.kernels.triton.decode import (
    LEAST_KEYS,
    SPLITS,
    keys_per_split,
    launch_merge,
    room_for_splits,
    store_split,
)
from superinfer.kernels.triton.loads import load_rows
from superinfer.kernels.triton.scores import TYPES, ScoreOptions, accumulate, capped, operand
from superinfer.kernels.triton.sealed import PAGE, load_page


@triton.jit
def attend_mixed_split(
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
    int8_slot: tl.tensor,
    int4_slot: tl.tensor,
    end_slot: tl.tensor,
    kv_heads: tl.tensor,
    group: tl.tensor,
    factor: tl.tensor,
    cap: tl.tensor,
    CAPPED: tl.constexpr,
    SPLITS: tl.constexpr,
    LEAST_KEYS: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,
    V_DIM: tl.constexpr,
    DIM_PADDED: tl.constexpr,
    V_PADDED: tl.constexpr,
    OPERAND: tl.constexpr,
) -> None:
    """One split of one request for up to ``ROWS`` query heads that share a KV head; results as of ``attend_split``."""
    request = tl.program_id(0).to(tl.int64)
    head_blocks = tl.cdiv(group, ROWS)
    kv_head = tl.program_id(1) // head_blocks
    split = tl.program_id(2)
    length = tl.load(seq_lens + request).to(tl.int32)
    size = keys_per_split(length, SPLITS, LEAST_KEYS)
    first = split * size
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
        for start in range(first, end, PAGE):
            keys, values, known = load_page(
                k_cache,
                v_cache,
                table,
                start,
                end,
                int8_slot,
                int4_slot,
                end_slot,
                kv_head,
                kv_heads,
                DIM,
                V_DIM,
                DIM_PADDED,
                V_PADDED,
                OPERAND,
            )
            scores = capped(tl.dot(query, keys, input_precision="ieee"), factor, cap, CAPPED)
            scores = tl.where(known[None, :], scores, float("nan"))
            scores = tl.where((start + tl.arange(0, PAGE) < end)[None, :], scores, float("-inf"))
            weighted, peak, total = accumulate(scores, values, weighted, peak, total)
        result = (request * kv_heads * group + head) * SPLITS + split
        store_split(partial, sums, result, live, weighted, peak, total, V_DIM, V_PADDED)


def launch(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    slots: tuple[int, int, int],
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
    _, kv_heads, v_dim = v_cache.shape
    group = q_heads // kv_heads
    dtype = operand(q, k_cache)
    blocks = mixed_decode_blocks(max(padded(dim), padded(v_dim)), dtype.itemsize)
    partial, sums = room_for_splits(out)
    attend_mixed_split[(requests, kv_heads * triton.cdiv(group, blocks.rows), SPLITS)](
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
        *slots,
        kv_heads,
        group,
        options.factor,
        options.cap,
        CAPPED=options.cap > 0,
        SPLITS=SPLITS,
        LEAST_KEYS=LEAST_KEYS,
        ROWS=blocks.rows,
        DIM=dim,
        V_DIM=v_dim,
        DIM_PADDED=padded(dim),
        V_PADDED=padded(v_dim),
        OPERAND=TYPES[dtype],
        **blocks.options,
    )
    launch_merge(partial, sums, seq_lens, out, options)
