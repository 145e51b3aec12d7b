"""What was delivered, beside what was promised."""

from dataclasses import dataclass

from superinfer.slo.model import SLO


@dataclass(slots=True)
class Timeline:
    """When a request's tokens came, in microseconds on one clock.

    Attributes:
        arrival_us: When the request reached the server.
        first_us: When its first token was sent, or ``None``.
        last_us: When its latest token was sent, or ``None``.
        tokens: Tokens sent.
        max_gap_us: Longest time between two sends, spread over the tokens of the later one.
    """

    arrival_us: int
    first_us: int | None = None
    last_us: int | None = None
    tokens: int = 0
    max_gap_us: int = 0

    def record(self, tokens: int, now_us: int) -> None:
        """Note that ``tokens`` in total have been sent by ``now_us``. Calls without news change nothing."""
        fresh = tokens - self.tokens
        if fresh <= 0:
            return
        if self.last_us is None:
            self.first_us = now_us
        else:
            self.max_gap_us = max(self.max_gap_us, (now_us - self.last_us) // fresh)
        self.last_us = now_us
        self.tokens = tokens

    def close(self, now_us: int) -> None:
        """Note the end. An answer without tokens (a score) counts as delivered now."""
        if self.first_us is None:
            self.first_us = self.last_us = now_us

    @property
    def ttft_ms(self) -> float | None:
        """Time to first token in ms."""
        return None if self.first_us is None else (self.first_us - self.arrival_us) / 1000

    @property
    def mean_tpot_ms(self) -> float | None:
        """Mean time per output token after the first, in ms; needs two tokens."""
        if self.first_us is None or self.last_us is None or self.tokens < 2:
            return None
        return (self.last_us - self.first_us) / 1000 / (self.tokens - 1)

    @property
    def e2e_ms(self) -> float | None:
        """Time from arrival to the last token, in ms."""
        return None if self.last_us is None else (self.last_us - self.arrival_us) / 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one finished request.

    Attributes:
        slo: What was promised.
        timeline: What was delivered.
        slack_ms: Per target (``ttft_ms``, ``tpot_ms``, ``deadline_ms``), target minus measured: negative is
            how late it was. A target whose measure does not exist (one token has no pace) is left out.
    """

    slo: SLO
    timeline: Timeline
    slack_ms: dict[str, float]

    @classmethod
    def of(cls, slo: SLO, timeline: Timeline) -> "Outcome":
        """Compare ``timeline`` with ``slo``."""
        pairs = {
            "ttft_ms": (slo.ttft_ms, timeline.ttft_ms),
            "tpot_ms": (slo.pace_ms, timeline.mean_tpot_ms),
            "deadline_ms": (slo.deadline_ms, timeline.e2e_ms),
        }
        slack = {
            name: target - measured
            for name, (target, measured) in pairs.items()
            if target is not None and measured is not None
        }
        return cls(slo, timeline, slack)

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or ``none`` where nothing was promised."""
        if not self.slo.has_target:
            return "none"
        if self.timeline.first_us is None:
            return "missed"
        return "met" if all(slack >= 0 for slack in self.slack_ms.values()) else "missed"

    def to_dict(self) -> dict[str, object]:
        """The report clients get: flat JSON, times in ms to the microsecond."""
        line = self.timeline
        measured = {
            "ttft_ms": line.ttft_ms,
            "mean_tpot_ms": line.mean_tpot_ms,
            "max_tpot_ms": line.max_gap_us / 1000 if line.tokens > 1 else None,
            "e2e_ms": line.e2e_ms,
        }
        return {
            "class": self.slo.cls,
            "targets": {k: v for k, v in self.slo.to_dict().items() if k != "class"},
            **{name: None if value is None else round(value, 3) for name, value in measured.items()},
            "outcome": self.verdict,
            "slack_ms": {name: round(value, 3) for name, value in self.slack_ms.items()},
        }
