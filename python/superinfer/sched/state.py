"""What the scheduler remembers of one request."""

from dataclasses import dataclass, field

from superinfer.slo import SLO, Outcome, Timeline


@dataclass(slots=True, eq=False)
class SLOState:
    """The promise to one request and how far it is kept: a few numbers.

    Attributes:
        slo: The promise, its class and targets filled in.
        rank: Importance of its class, 0 first.
        seq: Arrival number; the last word in every order, so that orders are total.
        arrival_us: Arrival at the server.
        timeline: Tokens sent so far.
    """

    slo: SLO
    rank: int
    seq: int
    arrival_us: int
    timeline: Timeline = field(init=False)

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.arrival_us)

    @property
    def first_due_us(self) -> int | None:
        """When the first token is due."""
        return None if self.slo.ttft_ms is None else self.arrival_us + self.slo.ttft_ms * 1000

    @property
    def last_due_us(self) -> int | None:
        """When the last token is due."""
        return None if self.slo.deadline_ms is None else self.arrival_us + self.slo.deadline_ms * 1000

    @property
    def next_due_us(self) -> int | None:
        """When the next token of the stream is due: the first, or the one the pace asks for.

        The stream's clock starts at the later of the promised and the actual first token: a late start is one
        miss, not a miss of every token, and an early start is credit.
        """
        line, pace_ms = self.timeline, self.slo.pace_ms
        if line.first_us is None:
            return self.first_due_us
        if pace_ms is None:
            return None
        start_us = max(line.first_us, self.first_due_us or line.first_us)
        return start_us + int(line.tokens * pace_ms * 1000)

    def outcome(self) -> Outcome:
        """Promise and delivery, side by side."""
        return Outcome.of(self.slo, self.timeline)
