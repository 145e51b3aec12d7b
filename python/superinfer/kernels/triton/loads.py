"""Reading keys and values through the slot table, and dense rows; writing these."""

# mypy: disable-error-code="untyped-decorator"
import triton
import triton.language as tl


@triton.jit
def load_slots(table: tl.tensor, positions: tl.tensor, end: tl.tensor, slots: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """Slots of positions of one request, and whether each is in the cache; -1 from ``end`` on.

    Args:
        table: The request's row.
        positions: ``[keys]``.
        end: Position after the last.
        slots: Of the cache.
    """
    found = tl.load(table + positions, mask=positions < end, other=-1).to(tl.int64)
    return found, (found >= 0) & (found < slots)


@triton.jit
def load_heads(
    cache: tl.tensor,
    found: tl.tensor,
    known: tl.tensor,
    head: tl.tensor,
    heads: tl.tensor,
    DIM: tl.constexpr,
    PADDED: tl.constexpr,
    OPERAND: tl.constexpr,
) -> tl.tensor:
    """One head of these slots as ``[keys, PADDED]``: zeros beyond ``DIM`` and for slots not known."""
    column = tl.arange(0, PADDED)
    start = (found * heads + head) * DIM
    mask = known[:, None] & (column < DIM)[None, :]
    return tl.load(cache + start[:, None] + column[None, :], mask=mask, other=0.0).to(OPERAND)


@triton.jit
def load_rows(
    x: tl.tensor, start: tl.tensor, live: tl.tensor, DIM: tl.constexpr, PADDED: tl.constexpr, OPERAND: tl.constexpr
) -> tl.tensor:
    """Dense rows at these offsets as ``[rows, PADDED]``, zeros where not ``live`` and beyond ``DIM``."""
    column = tl.arange(0, PADDED)
    mask = live[:, None] & (column < DIM)[None, :]
    return tl.load(x + start[:, None] + column[None, :], mask=mask, other=0.0).to(OPERAND)


@triton.jit
def store_rows(
    x: tl.tensor, start: tl.tensor, live: tl.tensor, rows: tl.tensor, DIM: tl.constexpr, PADDED: tl.constexpr
) -> None:
    """Write ``rows`` ``[rows, PADDED]`` at these offsets, up to ``DIM`` and where ``live``."""
    column = tl.arange(0, PADDED)
    mask = live[:, None] & (column < DIM)[None, :]
    tl.store(x + start[:, None] + column[None, :], rows.to(x.dtype.element_ty), mask=mask)
