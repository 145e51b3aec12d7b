"""Extend attention: a block of new queries against the keys that are cached, their own included.

The rows of a block are pairs of query and head that share a KV head, so that keys read once serve the whole group. Key
blocks begin at multiples of their size: a prompt gets the same bits at once and in pieces.
"""

# mypy: disable-error-code="untyped-decorator"
import torch
import triton
import triton.language as tl

from superinfer.kernels.triton.blocks import extend_blocks, padded
from superinfer.kernels.triton.loads import load_heads, load_rows, load_slots, store_rows
from superinfer.kernels.triton.scores import TYPES, ScoreOptions, accumulate, capped, operand


@triton.jit
def find_block(
    qo_indptr: tl.tensor,
    requests: tl.tensor,
    group: tl.tensor,
    ROWS: tl.constexpr,
    REQUESTS: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """The request that program 0 of the grid serves, and which of its blocks; ``requests`` if there is none left.

    The CPU does not know the lengths and launches as many programs as there could be.
    """
    request = tl.arange(0, REQUESTS)
    begin = tl.load(qo_indptr + request, mask=request < requests, other=0)
    end = tl.load(qo_indptr + request + 1, mask=request < requests, other=0)
    blocks = tl.cdiv((end - begin) * group, ROWS)
    program = tl.program_id(0)
    passed = (tl.cumsum(blocks, 0) <= program) & (request < requests)
    return tl.sum(passed.to(tl.int32), 0), program - tl.sum(tl.where(passed, blocks, 0), 0)


@triton.jit(do_not_specialize=["requests"])  # no compilation in the middle of serving for a batch of 1 or of 16
def attend_block(
    q: tl.tensor,
    k_cache: tl.tensor,
    v_cache: tl.tensor,
    req_to_token: tl.tensor,
    rows: tl.tensor,
    seq_lens: tl.tensor,
    prefix_lens: tl.tensor,
    qo_indptr: tl.tensor,
    out: tl.tensor,
    q_stride: tl.tensor,
    q_head_stride: tl.tensor,
    out_stride: tl.tensor,
    out_head_stride: tl.tensor,
    table_stride: tl.tensor,
    slots: tl.tensor,
    kv_heads: tl.tensor,
    group: tl.tensor,
    requests: tl.tensor,
    factor: tl.tensor,
    cap: tl.tensor,
    window: tl.tensor,
    CAUSAL: tl.constexpr,
    CAPPED: tl.constexpr,
    REQUESTS: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    DIM: tl.constexpr,
    V_DIM: tl.constexpr,
    DIM_PADDED: tl.constexpr,
    V_PADDED: tl.constexpr,
    OPERAND: tl.constexpr,
) -> None:
    """``ROWS`` pairs of query and head of one request and one KV head."""
    request, block = find_block(qo_indptr, requests, group, ROWS, REQUESTS)
    if request < requests:
        kv_head = tl.program_id(1)
        length = tl.load(seq_lens + request).to(tl.int32)
        prefix = tl.load(prefix_lens + request).to(tl.int32)
        row = block.to(tl.int32) * ROWS + tl.arange(0, ROWS)
        query_position = prefix + row // group
        live = query_position < length
        token = tl.load(qo_indptr + request) + row // group
        head = kv_head * group + row % group
        query = load_rows(q, token * q_stride + head * q_head_stride, live, DIM, DIM_PADDED, OPERAND)
        earliest = tl.maximum(tl.min(query_position, 0) - window + 1, 0) // KEYS * KEYS
        end = tl.minimum(tl.max(query_position, 0) + 1, length) if CAUSAL else length
        table = req_to_token + tl.load(rows + request) * table_stride
        weighted = tl.zeros((ROWS, V_PADDED), tl.float32)
        peak = tl.full((ROWS,), float("-inf"), tl.float32)
        total = tl.zeros((ROWS,), tl.float32)
        for start in range(earliest, end, KEYS):
            position = start + tl.arange(0, KEYS)
            found, known = load_slots(table, position, end, slots)
            keys = load_heads(k_cache, found, known, kv_head, kv_heads, DIM, DIM_PADDED, OPERAND)
            scores = capped(tl.dot(query, tl.trans(keys), input_precision="ieee"), factor, cap, CAPPED)
            scores = tl.where(known[None, :], scores, float("nan"))
            seen = (position < end)[None, :] & (position[None, :] > query_position[:, None] - window)
            if CAUSAL:
                seen = seen & (position[None, :] <= query_position[:, None])
            scores = tl.where(seen, scores, float("-inf"))
            values = load_heads(v_cache, found, known, kv_head, kv_heads, V_DIM, V_PADDED, OPERAND)
            weighted, peak, total = accumulate(scores, values, weighted, peak, total)
        place = token * out_stride + head * out_head_stride
        store_rows(out, place, live, weighted / total[:, None], V_DIM, V_PADDED)


def launch(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    req_to_token: torch.Tensor,
    rows: torch.Tensor,
    seq_lens: torch.Tensor,
    prefix_lens: torch.Tensor,
    qo_indptr: torch.Tensor,
    out: torch.Tensor,
    options: ScoreOptions,
    causal: bool,
) -> None:
    """Launch the kernel on arguments that are known to be right."""
    tokens, q_heads, dim = q.shape
    if tokens == 0:
        return
    slots, kv_heads, v_dim = v_cache.shape
    group = q_heads // kv_heads
    requests = rows.numel()
    dtype = operand(q, k_cache)
    blocks = extend_blocks(max(padded(dim), padded(v_dim)), dtype.itemsize)
    # Each request may leave its last block partly empty.
    programs = triton.cdiv(tokens * group, blocks.rows) + requests
    attend_block[(programs, kv_heads)](
        q,
        k_cache,
        v_cache,
        req_to_token,
        rows,
        seq_lens,
        prefix_lens,
        qo_indptr,
        out,
        q.stride(0),
        q.stride(1),
        out.stride(0),
        out.stride(1),
        req_to_token.stride(0),
        slots,
        kv_heads,
        group,
        requests,
        options.factor,
        options.cap,
        options.window,
        CAUSAL=causal,
        CAPPED=options.cap > 0,
        REQUESTS=padded(requests),
        ROWS=blocks.rows,
        KEYS=blocks.keys,
        DIM=dim,
        V_DIM=v_dim,
        DIM_PADDED=padded(dim),
        V_PADDED=padded(v_dim),
        OPERAND=TYPES[dtype],
        **blocks.options,
    )
