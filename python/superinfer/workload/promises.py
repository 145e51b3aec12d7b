"""Promises for requests that came without any."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival

PREFILL_FACTOR = 3
"""A first token is promised no sooner than this many times the time that its prompt takes alone."""


def by_prompt(
    arrivals: Iterable[Arrival], prefill_us: Callable[[int], int], *, ttft_ms: int, tpot_ms: int
) -> list[Arrival]:
    """Chat: a first token that the prompt allows, and a pace.

    Args:
        arrivals: The load.
        prefill_us: Time to compute a prompt of so many tokens on an idle machine.
        ttft_ms: First token of short prompts.
        tpot_ms: Pace.
    """
    return [
        replace(
            arrival,
            slo=SLO(
                cls="interactive",
                ttft_ms=max(ttft_ms, -(-PREFILL_FACTOR * prefill_us(arrival.prompt_tokens) // 1000)),
                tpot_ms=tpot_ms,
            ),
        )
        for arrival in arrivals
    ]
