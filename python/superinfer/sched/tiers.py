"""Rotation tiers: a multi-level feedback queue whose levels follow slack."""

from dataclasses import dataclass

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

    def slice_of(self, tier: int) -> int:
        """Microseconds of service that a request of this tier has before it may be rotated out."""
        return self.slice_us << tier

    def share(self, tier: int) -> float:
        """The part of the machine a request of this tier expects: each tier half of the one above; 1 for tier 0.

        Shares enter estimates only. The machine never idles because a share is used up.
        """
        return 1.0 / (1 << tier)

    def entry(self, rank: int, cost_us: int) -> int:
        """Tier of a new request: by class, and lower if its prompt costs more than that tier's slice (skip-join)."""
        tier = min(rank, self.count - 1)
        while tier < self.count - 1 and cost_us > self.slice_of(tier):
            tier += 1
        return tier

    def move(self, tier: int, estimate_us: int, left_us: int | None, served_us: int) -> int:
        """Tier after a look at the clock.

        Args:
            tier: Where it is.
            estimate_us: Time to what it owes next, served alone.
            left_us: Time until that is due; ``None`` if it owes nothing.
            served_us: Service since it was last admitted.
        """
        if left_us is not None:
            if left_us < self.slice_us + estimate_us:
                return 0
            while tier > 0 and estimate_us > PROMOTE_AT * left_us * self.share(tier):
                tier -= 1
        relaxed = left_us is None or (
            tier + 1 < self.count and estimate_us < DEMOTE_AT * left_us * self.share(tier + 1)
        )
        if relaxed and served_us >= self.slice_of(tier):
            tier = min(tier + 1, self.count - 1)
        return tier
