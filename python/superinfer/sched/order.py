"""The order in which waiting requests are considered."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from superinfer.sched.cost import CostModel
from superinfer.sched.slack import slack_us
from superinfer.sched.state import SLOState


class Band(Enum):
    """Why a request stands where it stands."""

    AGED = "aged"
    """Waited past the bound and the aged lane is open: first, so that nothing starves."""
    URGENT = "urgent"
    """Owes a token soon and can still make it: least slack first."""
    CALM = "calm"
    """Owes nothing, or nothing soon: after the urgent, by class, then by arrival."""
    LATE = "late"
    """Cannot make it even if served alone: must not cost another its promise, so it queues with the calm."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting request as the policy sees it.

    Attributes:
        state: Its SLO state; read, never written.
        uncached_tokens: Prompt tokens to compute before its first token.
        remaining_tokens: Tokens it may still produce.
    """

    state: SLOState
    uncached_tokens: int
    remaining_tokens: int


@dataclass(frozen=True, slots=True)
class QueueOrder:
    """A decision: indices into the candidates, first served first, and the band of each candidate."""

    indices: tuple[int, ...]
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class SlackOrder:
    """Order by slack while it matters, by class otherwise, and never let anything wait for ever.

    The bands answer three ways in which plain least-slack-first fails: far deadlines overtaking everything
    that has none, doomed requests looking most urgent, and starvation.

    Attributes:
        urgent_us: Slack below which a request is served by slack.
        bucket_us: Slacks in one bucket are equal.
        max_wait_us: Wait after which a request is aged.
    """

    urgent_us: int
    bucket_us: int
    max_wait_us: int

    def decide(
        self, candidates: Sequence[Candidate], now_us: int, cost: CostModel, *, aged_lane_open: bool
    ) -> QueueOrder:
        """Order ``candidates``. Pure and total: like inputs, like order, on every rank.

        Args:
            candidates: The waiting requests, in any order.
            now_us: The tick.
            cost: What the engine's work costs.
            aged_lane_open: Whether the longest-waiting aged request goes first in this pass.
        """
        places = [self._place(candidate, now_us, cost) for candidate in candidates]
        if aged_lane_open and (eldest := self._eldest_aged(candidates, now_us)) is not None:
            places[eldest] = (Band.AGED, (0, 0, 0, 0))
        indices = sorted(range(len(places)), key=lambda index: places[index][1])
        return QueueOrder(tuple(indices), tuple(band for band, _ in places))

    def _place(self, candidate: Candidate, now_us: int, cost: CostModel) -> tuple[Band, tuple[int, ...]]:
        state = candidate.state
        slack = slack_us(state, now_us, cost, candidate.uncached_tokens, candidate.remaining_tokens)
        if slack is not None and 0 <= slack <= self.urgent_us:
            return Band.URGENT, (1, slack // self.bucket_us, state.rank, state.seq)
        return Band.LATE if slack is not None and slack < 0 else Band.CALM, (2, state.rank, 0, state.seq)

    def _eldest_aged(self, candidates: Sequence[Candidate], now_us: int) -> int | None:
        aged = [
            (candidate.state.seq, index)
            for index, candidate in enumerate(candidates)
            if now_us - candidate.state.arrival_us > self.max_wait_us
        ]
        return min(aged)[1] if aged else None
