"""Sealing pages: the codes of ``superinfer.kv.codec``, written beside their scales and zeros in one pass."""

# mypy: disable-error-code="untyped-decorator"
import torch
import triton
import triton.language as tl

from superinfer.kernels.triton.blocks import ELEMENTWISE, padded
from superinfer.kernels.triton.sealed import BOUNDS_BYTES, PAGE, sealed_head, sealed_keys, sealed_values

LEAST_SCALE_BITS: tl.constexpr = tl.constexpr(0x00800000)


@triton.jit
def rounded(x: tl.tensor) -> tl.tensor:
    """To the nearest whole number, ties to even, from 0 to 2^22."""
    return (x + 12582912.0) - 12582912.0


@triton.jit
def write_parameters(
    head: tl.tensor,
    index: tl.tensor,
    inside: tl.tensor,
    low: tl.tensor,
    high: tl.tensor,
    finite: tl.tensor,
    LEVELS: tl.constexpr,
    PARAMETERS: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """Encode and store the parameters of a head; returns zeros and scales as they will be read."""
    base = tl.min(tl.where(inside, low, float("inf")))
    step = tl.div_rn(tl.max(tl.where(inside, low, float("-inf"))) - base, 255.0)
    steps = tl.where(step > 0, tl.div_rn(low - base, tl.where(step > 0, step, 1.0)), 0.0)
    zero_codes = tl.minimum(steps, 255.0).to(tl.int32)
    zero = base + zero_codes.to(tl.float32) * step
    scale = tl.maximum(tl.div_rn(high - zero, tl.full(high.shape, LEVELS, tl.float32)), 0.0)
    bits = tl.maximum(scale.to(tl.int32, bitcast=True), LEAST_SCALE_BITS)
    scale_base = tl.min(tl.where(inside, bits, 0x7F800000))
    scale_step = (tl.max(tl.where(inside, bits, 0)) - scale_base + 254) // 255
    step_bits = tl.maximum(scale_step, 1)
    scale_codes = tl.maximum(bits - scale_base + step_bits - 1, 0) // step_bits
    tl.store(head + index, scale_codes.to(tl.uint8), mask=inside)
    tl.store(head + PARAMETERS + index, zero_codes.to(tl.uint8), mask=inside)
    bounds = head + 2 * PARAMETERS
    tl.store(bounds.to(tl.pointer_type(tl.float32)), tl.where(finite, base, float("nan")))
    tl.store((bounds + 4).to(tl.pointer_type(tl.float32)), step)
    tl.store((bounds + 8).to(tl.pointer_type(tl.int32)), scale_base)
    tl.store((bounds + 12).to(tl.pointer_type(tl.int32)), scale_step)
    return zero, (scale_base + scale_codes * scale_step).to(tl.float32, bitcast=True)


@triton.jit
def write_codes(
    payload: tl.tensor,
    steps: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    LIVE_ROWS: tl.constexpr,
    LIVE_COLUMNS: tl.constexpr,
    BITS: tl.constexpr,
) -> None:
    """Round, and pack neighbouring rows of ``[ROWS, COLUMNS]`` into words."""
    CODES: tl.constexpr = 32 // BITS
    codes = rounded(tl.minimum(tl.maximum(steps, 0.0), (1 << BITS) - 1)).to(tl.int32)
    shifts = tl.arange(0, CODES) * BITS
    words = tl.sum(tl.reshape(codes, (ROWS // CODES, CODES, COLUMNS)) << shifts[None, :, None], 1)
    row, column = tl.arange(0, ROWS // CODES), tl.arange(0, COLUMNS)
    mask = (row < LIVE_ROWS // CODES)[:, None] & (column < LIVE_COLUMNS)[None, :]
    target = payload.to(tl.pointer_type(tl.int32)) + row[:, None] * LIVE_COLUMNS + column[None, :]
    tl.store(target, words, mask=mask)


@triton.jit
def seal_key_heads(
    cache: tl.tensor,
    source: tl.tensor,
    target: tl.tensor,
    int8_slot: tl.tensor,
    int4_slot: tl.tensor,
    heads: tl.tensor,
    DIM: tl.constexpr,
    PADDED: tl.constexpr,
    FROM_BITS: tl.constexpr,
    BITS: tl.constexpr,
) -> None:
    """One head of the keys of one page; ``FROM_BITS`` is 0 for a native source."""
    KEY_PARAMETERS: tl.constexpr = (DIM + 31) // 32 * 32
    head = tl.program_id(1)
    from_slot, to_slot = tl.load(source + tl.program_id(0)), tl.load(target + tl.program_id(0))
    channel, token = tl.arange(0, PADDED), tl.arange(0, PAGE)
    inside = channel < DIM
    if FROM_BITS == 0:
        start = ((from_slot + token) * heads + head) * DIM
        x = tl.load(cache + start[None, :] + channel[:, None], mask=inside[:, None], other=0.0).to(tl.float32)
    else:
        x = sealed_keys(sealed_head(cache, from_slot, int8_slot, head, heads, DIM, 8), DIM, PADDED, 8)
    finite = tl.sum(tl.abs(x) * 0.0) == 0.0
    x = tl.where(x * 0.0 == 0.0, x, 0.0)
    out = sealed_head(cache, to_slot, int8_slot if BITS == 8 else int4_slot, head, heads, DIM, BITS)
    zero, scale = write_parameters(
        out, channel, inside, tl.min(x, 1), tl.max(x, 1), finite, (1 << BITS) - 1, KEY_PARAMETERS
    )
    steps = tl.div_rn(x - zero[:, None], tl.broadcast_to(scale[:, None], x.shape))
    write_codes(out + 2 * KEY_PARAMETERS + BOUNDS_BYTES, steps, PADDED, PAGE, DIM, PAGE, BITS)


@triton.jit
def seal_value_heads(
    cache: tl.tensor,
    source: tl.tensor,
    target: tl.tensor,
    int8_slot: tl.tensor,
    int4_slot: tl.tensor,
    heads: tl.tensor,
    DIM: tl.constexpr,
    PADDED: tl.constexpr,
    FROM_BITS: tl.constexpr,
    BITS: tl.constexpr,
) -> None:
    """One head of the values of one page."""
    WIDTH: tl.constexpr = 32 if PADDED >= 32 else PADDED
    GROUPS: tl.constexpr = PADDED // WIDTH
    PARAMETERS: tl.constexpr = (DIM + 31) // 32 * 32
    head = tl.program_id(1)
    from_slot, to_slot = tl.load(source + tl.program_id(0)), tl.load(target + tl.program_id(0))
    channel, token, group = tl.arange(0, PADDED), tl.arange(0, PAGE), tl.arange(0, GROUPS)
    if FROM_BITS == 0:
        start = ((from_slot + token) * heads + head) * DIM
        x = tl.load(cache + start[:, None] + channel[None, :], mask=(channel < DIM)[None, :], other=0.0).to(tl.float32)
    else:
        x = sealed_values(sealed_head(cache, from_slot, int8_slot, head, heads, DIM, 8), DIM, PADDED, 8)
    finite = tl.sum(tl.abs(x) * 0.0) == 0.0
    x = tl.reshape(tl.where(x * 0.0 == 0.0, x, 0.0), (PAGE, GROUPS, WIDTH))
    member = (group[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :] < DIM)[None, :, :]
    low = tl.min(tl.where(member, x, float("inf")), 2)
    high = tl.max(tl.where(member, x, float("-inf")), 2)
    index = group[None, :] * PAGE + token[:, None]
    out = sealed_head(cache, to_slot, int8_slot if BITS == 8 else int4_slot, head, heads, DIM, BITS)
    zero, scale = write_parameters(out, index, index < PARAMETERS, low, high, finite, (1 << BITS) - 1, PARAMETERS)
    steps = tl.div_rn(x - zero[:, :, None], tl.broadcast_to(scale[:, :, None], x.shape))
    write_codes(out + 2 * PARAMETERS + BOUNDS_BYTES, tl.reshape(steps, (PAGE, PADDED)), PAGE, PADDED, PAGE, DIM, BITS)


def launch(
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    slots: tuple[int, int, int],
    source: torch.Tensor,
    target: torch.Tensor,
    from_bits: int,
    bits: int,
) -> None:
    """Launch the kernels for keys and for values, on pages all of one pair of formats."""
    if source.numel() == 0:
        return
    # Products and sums stay apart, as the codes are to have the same bits everywhere.
    options = dict(ELEMENTWISE.options, enable_fp_fusion=False)
    for kernel, cache in ((seal_key_heads, k_cache), (seal_value_heads, v_cache)):
        _, heads, dim = cache.shape
        kernel[(source.numel(), heads)](
            cache,
            source,
            target,
            slots[0],
            slots[1],
            heads,
            DIM=dim,
            PADDED=padded(dim),
            FROM_BITS=from_bits,
            BITS=bits,
            **options,
        )
