"""How well a load was served, from the outcome of each request that was sent."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from superinfer.slo import Outcome


@dataclass(frozen=True, slots=True)
class Served:
    """What became of one request.

    Attributes:
        outcome: Promise and delivery; ``None`` where it was refused or not finished.
        prompt_tokens: Length of its prompt.
        output_tokens: Tokens it got.
    """

    outcome: Outcome | None
    prompt_tokens: int
    output_tokens: int

    @property
    def met(self) -> bool:
        """Whether it was finished and missed nothing that it was promised."""
        return self.outcome is not None and self.outcome.verdict != "missed"


@dataclass(frozen=True, slots=True)
class Attainment:
    """One class's service.

    Attributes:
        sent: Requests sent; what was refused or is unfinished counts as missed.
        met: Requests that met every target.
        ttft_p50_ms: Median time to first token of those that got one; 0 if none did.
        ttft_p99_ms: Nearest-rank 99th percentile of it.
        e2e_p99_ms: The same of the time to the last token.
        norm_p99: 99th percentile of the worst of latency over target; above 1 is late.
    """

    sent: int
    met: int
    ttft_p50_ms: float
    ttft_p99_ms: float
    e2e_p99_ms: float
    norm_p99: float

    @property
    def share(self) -> float:
        """Part of the requests sent that met every target."""
        return self.met / self.sent if self.sent else 1.0


def attainment(served: Iterable[Served]) -> Attainment:
    """Summary of the requests of one class."""
    requests = list(served)
    outcomes = [request.outcome for request in requests if request.outcome is not None]
    ttfts = [outcome.timeline.ttft_ms or 0.0 for outcome in outcomes]
    return Attainment(
        sent=len(requests),
        met=sum(request.met for request in requests),
        ttft_p50_ms=percentile(ttfts, 50),
        ttft_p99_ms=percentile(ttfts, 99),
        e2e_p99_ms=percentile([outcome.timeline.e2e_ms or 0.0 for outcome in outcomes], 99),
        norm_p99=percentile([normalised(outcome) for outcome in outcomes], 99),
    )


def normalised(outcome: Outcome) -> float:
    """The worst of measured over promised; 0 where nothing was promised."""
    promised = {"ttft_ms": outcome.slo.ttft_ms, "tpot_ms": outcome.slo.pace_ms, "deadline_ms": outcome.slo.deadline_ms}
    return max(
        (1 - slack / target for name, slack in outcome.slack_ms.items() if (target := promised[name])), default=0.0
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of all values do not exceed (nearest rank); 0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[max(math.ceil(percent / 100 * len(values)), 1) - 1]
