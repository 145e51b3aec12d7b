"""The figures of one run of the simulator."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from superinfer.workload.attainment import Served, attainment, percentile

BANDS = (256, 1024, 4096, 16384)
"""Upper ends of the bands of prompt length, in tokens; what is longer is a band of its own."""


def class_of(slo: SLO) -> str:
    """Name of a promise's class."""
    return slo.cls or "standard"


def by_class(arrivals: Sequence[Arrival], served: Sequence[Served]) -> dict[str, list[Served]]:
    """What became of the requests of each class, classes by name."""
    classes: dict[str, list[Served]] = {name: [] for name in sorted({class_of(a.slo) for a in arrivals})}
    for arrival, request in zip(arrivals, served, strict=True):
        classes[class_of(arrival.slo)].append(request)
    return classes


def class_figures(served: Sequence[Served], duration_s: float) -> dict[str, Any]:
    """Attainment of one class, its goodput, and its times to first token by prompt length.

    Goodput counts requests that were promised something and got it; who was promised nothing has none.

    Args:
        served: Its requests.
        duration_s: For how long they arrived.
    """
    summary = attainment(served)
    kept = sum(request.met and request.outcome is not None and request.outcome.slo.has_target for request in served)
    return asdict(summary) | {
        "share": summary.share,
        "goodput_per_s": kept / duration_s if duration_s > 0 else 0.0,
        "ttft_by_prompt": [_band(low, high, served) for low, high in zip((0, *BANDS), (*BANDS, None), strict=True)],
    }


def first_token_times_ms(served: Iterable[Served]) -> list[float]:
    """Times to first token of those that were finished."""
    return [request.outcome.timeline.ttft_ms or 0.0 for request in served if request.outcome is not None]


def _band(low: int, high: int | None, served: Iterable[Served]) -> dict[str, Any]:
    inside = [request for request in served if low < request.prompt_tokens <= (high or request.prompt_tokens)]
    ttfts = first_token_times_ms(inside)
    return {
        "prompt_tokens_above": low,
        "prompt_tokens_up_to": high,
        "sent": len(inside),
        "ttft_p50_ms": percentile(ttfts, 50),
        "ttft_p99_ms": percentile(ttfts, 99),
    }
