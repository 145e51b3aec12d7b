"""Rotation tiers: a multi-level feedback queue whose levels follow slack."""

from dataclasses import dataclass

import numpy as np

from superinfer.sched.columns import Floats, Ints, Whole
from superinfer.sched.owed import Owed

PROMOTE_AT = 1.0
DEMOTE_AT = 0.7
"""A request moves up when its estimate exceeds the time left, and down only when it needs less than this part of it:
the gap keeps it from swinging."""


@dataclass(frozen=True, slots=True)
class Tiers:
    """Slices that double from tier to tier, and the share of the machine each tier counts on.

    Attributes:
        count: Number of tiers; 0 is the fastest.
        slice_us: Service in tier 0 before a request may be rotated out.
    """

    count: int = 4
    slice_us: int = 100_000

    def __post_init__(self) -> None:
        if self.count < 1 or self.slice_us < 1:
            raise ValueError(f"tiers need a count and a slice of at least 1, not {self.count} and {self.slice_us}")

    def slice_of(self, tier: Whole) -> Whole:
        """Microseconds of service that a request of this tier has before it may be rotated out."""
        return self.slice_us << tier

    def share(self, tier: Ints) -> Floats:
        """The part of the machine that requests of these tiers expect: each tier half of the one above; 1 for tier 0.

        What owes something counts on it in estimates; what owes nothing gets it (``TierShares``). The machine never
        idles because a share is used up.
        """
        return 1.0 / (1 << tier)

    def entry(self, rank: int, cost_us: int) -> int:
        """Tier of a new request: by class, and lower if its prompt costs more than that tier's slice (skip-join)."""
        tier = min(rank, self.count - 1)
        while tier < self.count - 1 and cost_us > self.slice_of(tier):
            tier += 1
        return tier

    def move(self, tier: Ints, owed: Owed, slice_us: Ints) -> Ints:
        """Tiers after a look at the clock, one per request.

        Args:
            tier: Where each is.
            owed: What each owes, served alone, and can still be met.
            slice_us: Service since each was last admitted.
        """
        left_us, estimate_us, last = owed.left_us, owed.estimate_us, self.count - 1
        while (up := owed.exists & (tier > 0) & (estimate_us > PROMOTE_AT * left_us * self.share(tier))).any():
            tier = tier - up
        # Few have used up their slice.
        used = (slice_us >= self.slice_of(tier)).nonzero()[0]
        below = np.minimum(tier[used] + 1, last)
        needed_us, allowed_us = estimate_us[used], DEMOTE_AT * left_us[used] * self.share(below)
        relaxed = ~owed.exists[used] | ((tier[used] < last) & (needed_us < allowed_us))
        tier = tier.copy()
        tier[used[relaxed]] = below[relaxed]
        tier[owed.exists & (left_us < self.slice_us + estimate_us)] = 0
        return tier
