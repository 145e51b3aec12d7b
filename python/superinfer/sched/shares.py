"""Which tier's turn it is among requests that owe nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from superinfer.sched.columns import Whole


@dataclass(slots=True)
class TierShares:
    """Within a class, a tier is owed half of what the tier above it is owed, while both have work.

    Each tier counts what it has had over its share, and the least is next (Waldspurger and Weihl, "Stride Scheduling",
    MIT/LCS/TM-528, 1995). Nobody waits for a share: a tier without work is passed over, and earns no credit meanwhile.

    Attributes:
        count: Number of tiers.
    """

    count: int
    _had: dict[int, int] = field(default_factory=dict)

    def line(self, rank: Whole, tier: Whole) -> Whole:
        """The number under which a tier of a class is kept."""
        return rank * self.count + tier

    def turns(self, lines: Iterable[int]) -> list[int]:
        """Of each class, the line that goes first among these, which have work; of equals the faster."""
        by_rank: dict[int, list[int]] = {}
        for line in sorted(lines):
            by_rank.setdefault(line // self.count, []).append(line)
        had: dict[int, int] = {}
        for contending in by_rank.values():
            least = min((self._had[line] for line in contending if line in self._had), default=0)
            had |= {line: max(self._had.get(line, least), least) for line in contending}
        self._had = had
        return [min(contending, key=had.__getitem__) for contending in by_rank.values()]

    def serve(self, line: int, tokens: int) -> None:
        """Charge prompt tokens computed for a request of a line that has work."""
        self._had[line] += tokens << line % self.count
