"""The order of a pass."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from superinfer.sched.columns import Bools, Columns, Ints

AGED, DUE, REST = 0, 1, 2
"""Bands: the one that has waited longest past the bound; owes something and can make it; everything else, from here on
by class."""

_KEY_BITS: Final = 62
"""Bits of a number by which requests are sorted."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The requests of a pass, first served first; an entry per request.

    Attributes:
        index: Where it stands among the requests as they were given.
        band: ``AGED``, ``DUE``, or ``REST`` plus the rank of its class.
        resident: Whether its KV is in the pool and counts.
        fixed: Whether it must not be taken out.
        aged: Whether it has waited past the bound, longest or not.
        need_tokens: Tokens of KV it has after its next token.
        slice_us: Engine time served since it was last admitted.
    """

    index: Ints
    band: Ints
    resident: Bools
    fixed: Bools
    aged: Bools
    need_tokens: Ints
    slice_us: Ints

    @classmethod
    def ordered(cls, columns: Columns, band: Ints, bucket: Ints, aged: Bools) -> Self:
        """By band, bucket, what the tenant has had, and arrival number: total, since no two numbers are equal."""
        index = _in_order(band, bucket, columns.tenant_place, columns.terms.seq)
        return cls(
            index,
            band[index],
            columns.resident[index],
            columns.fixed[index],
            aged[index],
            columns.need_tokens[index],
            columns.slice_us[index],
        )


def _in_order(*keys: Ints) -> Ints:
    """Indices by the first key, of equals by the second, and so on; of the last, no two are equal.

    One number for all keys is sorted three times as fast as one after the other, where it has room for them.
    """
    if not keys[0].size:
        return np.empty(0, np.int64)
    whole, bits = np.zeros_like(keys[0]), 0
    for key in keys:
        least = int(key.min())
        width = (int(key.max()) - least).bit_length()
        bits += width
        if bits > _KEY_BITS:
            return np.lexsort(keys[::-1])
        whole = (whole << width) + (key - least)
    return whole.argsort()
