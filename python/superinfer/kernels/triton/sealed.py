"""Reading pages of several formats: the layout is that of ``superinfer.kv.layout``."""

# mypy: disable-error-code="untyped-decorator"
import triton
import triton.language as tl

from superinfer.kernels.triton.loads import load_heads, load_slots

PAGE: tl.constexpr = tl.constexpr(32)
BOUNDS_BYTES: tl.constexpr = tl.constexpr(16)


@triton.jit
def head_bytes(PARAMETERS: tl.constexpr, DIM: tl.constexpr, BITS: tl.constexpr) -> tl.constexpr:
    """Bytes of one sealed head; the number of parameters is a multiple of 32."""
    return 2 * PARAMETERS + BOUNDS_BYTES + PAGE * DIM * BITS // 8


@triton.jit
def sealed_head(
    cache: tl.tensor,
    slot: tl.tensor,
    first_slot: tl.tensor,
    head: tl.tensor,
    heads: tl.tensor,
    DIM: tl.constexpr,
    BITS: tl.constexpr,
) -> tl.tensor:
    """Where one head of the page at ``slot`` begins, if its format begins at ``first_slot``: a pointer to bytes."""
    PARAMETERS: tl.constexpr = (DIM + 31) // 32 * 32
    place = (slot - first_slot) // PAGE * heads + head
    return cache.to(tl.pointer_type(tl.uint8)) + place * head_bytes(PARAMETERS, DIM, BITS)


@triton.jit
def parameters_at(
    head: tl.tensor, index: tl.tensor, mask: tl.tensor, PARAMETERS: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """Scales and zeros of these parameters, float32; zeros where not ``mask``."""
    bounds = head + 2 * PARAMETERS
    zero_base = tl.load(bounds.to(tl.pointer_type(tl.float32)))
    zero_step = tl.load((bounds + 4).to(tl.pointer_type(tl.float32)))
    scale_base = tl.load((bounds + 8).to(tl.pointer_type(tl.int32)))
    scale_step = tl.load((bounds + 12).to(tl.pointer_type(tl.int32)))
    scale = tl.load(head + index, mask=mask, other=0).to(tl.int32)
    zero = tl.load(head + PARAMETERS + index, mask=mask, other=0).to(tl.float32)
    scale = (scale_base + scale * scale_step).to(tl.float32, bitcast=True)
    return tl.where(mask, scale, 0.0), tl.where(mask, zero_base + zero * zero_step, 0.0)


@triton.jit
def unpacked(words: tl.tensor, ROWS: tl.constexpr, COLUMNS: tl.constexpr, BITS: tl.constexpr) -> tl.tensor:
    """Codes ``[ROWS, COLUMNS]`` of words of neighbouring rows, as float32."""
    shifts = (tl.arange(0, 32 // BITS) * BITS).to(tl.uint32)
    codes = (words[:, None, :] >> shifts[None, :, None]) & ((1 << BITS) - 1)
    return tl.reshape(codes, (ROWS, COLUMNS)).to(tl.float32)


@triton.jit
def sealed_keys(memory: tl.tensor, DIM: tl.constexpr, PADDED: tl.constexpr, BITS: tl.constexpr) -> tl.tensor:
    """The keys of one head of a page, transposed: float32 ``[PADDED, PAGE]``, zeros beyond ``DIM``."""
    channel = tl.arange(0, PADDED)
    PARAMETERS: tl.constexpr = (DIM + 31) // 32 * 32
    scale, zero = parameters_at(memory, channel, channel < DIM, PARAMETERS)
    row = tl.arange(0, PADDED * BITS // 32)
    payload = (memory + 2 * PARAMETERS + BOUNDS_BYTES).to(tl.pointer_type(tl.uint32))
    mask = (row < DIM * BITS // 32)[:, None]
    words = tl.load(payload + row[:, None] * PAGE + tl.arange(0, PAGE)[None, :], mask=mask, other=0)
    return unpacked(words, PADDED, PAGE, BITS) * scale[:, None] + zero[:, None]


@triton.jit
def sealed_values(memory: tl.tensor, DIM: tl.constexpr, PADDED: tl.constexpr, BITS: tl.constexpr) -> tl.tensor:
    """The values of one head of a page: float32 ``[PAGE, PADDED]``, zeros beyond ``DIM``."""
    WIDTH: tl.constexpr = 32 if PADDED >= 32 else PADDED
    GROUPS: tl.constexpr = PADDED // WIDTH
    PARAMETERS: tl.constexpr = (DIM + 31) // 32 * 32
    token = tl.arange(0, PAGE)
    group = tl.arange(0, GROUPS)
    index = group[None, :] * PAGE + token[:, None]
    scale, zero = parameters_at(memory, index, index < PARAMETERS, PARAMETERS)
    column = tl.arange(0, PADDED)
    row = tl.arange(0, PAGE * BITS // 32)
    payload = (memory + 2 * PARAMETERS + BOUNDS_BYTES).to(tl.pointer_type(tl.uint32))
    words = tl.load(payload + row[:, None] * DIM + column[None, :], mask=(column < DIM)[None, :], other=0)
    codes = tl.reshape(unpacked(words, PAGE, PADDED, BITS), (PAGE, GROUPS, WIDTH))
    values = tl.reshape(codes * scale[:, :, None] + zero[:, :, None], (PAGE, PADDED))
    return tl.where((column < DIM)[None, :], values, 0.0)


@triton.jit
def load_page(
    k_cache: tl.tensor,
    v_cache: tl.tensor,
    table: tl.tensor,
    start: tl.tensor,
    end: tl.tensor,
    int8_slot: tl.tensor,
    int4_slot: tl.tensor,
    end_slot: tl.tensor,
    head: tl.tensor,
    heads: tl.tensor,
    DIM: tl.constexpr,
    V_DIM: tl.constexpr,
    DIM_PADDED: tl.constexpr,
    V_PADDED: tl.constexpr,
    OPERAND: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """One head of the page that begins at position ``start``, a multiple of ``PAGE``.

    Returns:
        Keys ``[DIM_PADDED, PAGE]``, values ``[PAGE, V_PADDED]``, and whether each slot is one that can be.
    """
    position = start + tl.arange(0, PAGE)
    found, known = load_slots(table, position, end, end_slot)
    first = tl.load(table + start).to(tl.int64)
    if (first < int8_slot) | (first >= end_slot):
        known = known & (found < int8_slot)
        keys = tl.trans(load_heads(k_cache, found, known, head, heads, DIM, DIM_PADDED, OPERAND))
        values = load_heads(v_cache, found, known, head, heads, V_DIM, V_PADDED, OPERAND)
    else:
        known = known & (found == first + position - start) & (first % PAGE == 0)
        if first < int4_slot:
            key_head = sealed_head(k_cache, first, int8_slot, head, heads, DIM, 8)
            value_head = sealed_head(v_cache, first, int8_slot, head, heads, V_DIM, 8)
            keys = sealed_keys(key_head, DIM, DIM_PADDED, 8).to(OPERAND)
            values = sealed_values(value_head, V_DIM, V_PADDED, 8).to(OPERAND)
        else:
            key_head = sealed_head(k_cache, first, int4_slot, head, heads, DIM, 4)
            value_head = sealed_head(v_cache, first, int4_slot, head, heads, V_DIM, 4)
            keys = sealed_keys(key_head, DIM, DIM_PADDED, 4).to(OPERAND)
            values = sealed_values(value_head, V_DIM, V_PADDED, 4).to(OPERAND)
    return keys, values, known
