"""The order of a pass."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from superinfer.sched.columns import Bools, Columns, Ints

AGED, DUE, REST = 0, 1, 2
"""Bands: the one that has waited longest past the bound; owes something and can make it; everything else, from here on
by class."""

_BAND: Final = 1 << 53
"""How far bands are apart in one number with buckets."""


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
        # One sort less: no bucket, not even a time, is as wide as a band.
        index = np.lexsort((columns.terms.seq, columns.tenant_served, band * _BAND + bucket))
        return cls(
            index,
            band[index],
            columns.resident[index],
            columns.fixed[index],
            aged[index],
            columns.need_tokens[index],
            columns.slice_us[index],
        )
