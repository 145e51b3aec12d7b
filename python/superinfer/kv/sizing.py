"""Region sizes as an operator writes them: ``--kv-budget`` and ``--kv-regions``."""

import math
from collections.abc import Mapping
from typing import Final

from superinfer import sizes
from superinfer.kv.formats import PAGE_TOKENS, Format, parse_format
from superinfer.kv.layout import KvShape
from superinfer.kv.regions import SLAB_PAGES, Regions

LEAST_SLABS: Final = 64
"""Slabs of a memory, where its pages allow that."""


def parse_bytes(text: str, field: str = "kv_budget") -> int:
    """Bytes of ``512m``, ``1.5GiB`` or ``123456``; units are powers of 1024.

    Raises:
        ValueError: ``text`` is no such size; names the field.
    """
    try:
        return sizes.parse_bytes(text)
    except ValueError:
        raise ValueError(f"{field}: {text!r} is not a size such as 512m, 1.5g or 123456") from None


def parse_regions(text: str, field: str = "kv_regions") -> dict[Format, float]:
    """Shares of ``native:0.3,int8:0.3,int4:0.4``; formats that are not named get nothing.

    Raises:
        ValueError: A format is unknown or named twice, a share is no number from 0 to 1, they do not add up to 1, or
            nothing is native; names the field.
    """
    shares = dict.fromkeys(Format, 0.0)
    named = set()
    for part in text.split(","):
        name, colon, number = part.partition(":")
        fmt = parse_format(field, name.strip())
        if not colon:
            raise ValueError(f"{field}: {part!r} must be FORMAT:SHARE")
        if fmt in named:
            raise ValueError(f"{field}: {fmt.label} is named twice")
        named.add(fmt)
        shares[fmt] = _share(field, fmt, number)
    if not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-6):
        raise ValueError(f"{field}: the shares add up to {sum(shares.values()):g}, not to 1")
    if shares[Format.NATIVE] == 0:
        raise ValueError(f"{field}: native must have a share, as every page is born native")
    return shares


def _share(field: str, fmt: Format, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ValueError(f"{field}: the share of {fmt.label} must be from 0 to 1, not {text.strip()!r}")
    return share


def size_regions(
    shape: KvShape,
    budget_bytes: int,
    shares: Mapping[Format, float],
    slab_pages: int = SLAB_PAGES,
    field: str = "kv_budget",
) -> Regions:
    """Cut a budget into whole slabs: one for each share above 0, the rest as the shares say, to the nearest slab.

    Raises:
        ValueError: The budget has fewer slabs than there are shares above 0; names the field.
    """
    slab_bytes = slab_pages * shape.page_bytes(Format.NATIVE)
    slabs = budget_bytes // slab_bytes
    present = [fmt for fmt in Format if shares[fmt] > 0]
    if slabs < len(present):
        raise ValueError(
            f"{field}: {budget_bytes} bytes are {slabs} slabs of {slab_bytes}, fewer than the {len(present)} regions"
        )
    spare = slabs - len(present)
    edges, share = [], 0.0
    for fmt in (Format.NATIVE, Format.INT8):
        share += shares[fmt]
        guaranteed = sum(1 for other in present if other <= fmt)
        edges.append(guaranteed + round(share * spare))
    return Regions(shape, slabs, (edges[0], edges[1]), slab_pages)


def slab_pages_for(shape: KvShape, budget_bytes: int) -> int:
    """Native pages of a slab: fewer where memory is small, so that boundaries can follow requests there, too."""
    return max(1, min(SLAB_PAGES, budget_bytes // shape.page_bytes(Format.NATIVE) // LEAST_SLABS))


def native_pages_needed(step_tokens: int) -> int:
    """Native pages without which no request could go on.

    All pages are born native. Those of a step's prompt tokens are sealed after the step; beside them there is the page
    that the tokens before these began, and the one into which the next token goes.

    Args:
        step_tokens: Prompt tokens of a step, at most.
    """
    return -(-step_tokens // PAGE_TOKENS) + 2


def check_native_region(regions: Regions, step_tokens: int) -> None:
    """Refuse a cut with which a request could wait for ever.

    Raises:
        ValueError: The native region is too small for one step; names ``regions``.
    """
    needed, there = native_pages_needed(step_tokens), regions.tokens(Format.NATIVE) // PAGE_TOKENS
    if there < needed:
        raise ValueError(
            f"regions: the native region has {there} pages of {PAGE_TOKENS} tokens, and a step of {step_tokens} prompt "
            f"tokens needs {needed}: give it a larger share, or a larger budget, or lower --chunked-prefill-size"
        )
