"""Slack: the time a request can still afford to lose."""

from superinfer.sched.cost import CostModel
from superinfer.sched.state import SLOState


def slack_us(
    state: SLOState, now_us: int, cost: CostModel, uncached_tokens: int = 0, remaining_tokens: int = 0
) -> int | None:
    """Least of (due - now - estimated time to produce it) over what the request is owed.

    Args:
        state: The request.
        now_us: The tick.
        cost: Estimates what the engine needs.
        uncached_tokens: Prompt tokens still to be computed before the next token can come.
        remaining_tokens: Tokens up to and including the last one, at most.

    Returns:
        Microseconds; negative means that it will be late even if served alone from now. ``None`` if nothing
        is owed.
    """
    prefill_us = cost.prefill_us(uncached_tokens)
    owed = tightest(state, now_us, prefill_us + cost.decode_us(1), prefill_us + cost.decode_us(remaining_tokens))
    return None if owed is None else owed[0] - owed[1]


def tightest(state: SLOState, now_us: int, next_us: int, last_us: int) -> tuple[int, int] | None:
    """Of what the request is owed, that with the least slack: time until it is due, and time to produce it.

    Args:
        state: The request.
        now_us: The tick.
        next_us: Time to produce its next token.
        last_us: Time to produce its last.
    """
    pairs = ((state.next_due_us, next_us), (state.last_due_us, last_us))
    owed = [(due_us - now_us, estimate_us) for due_us, estimate_us in pairs if due_us is not None]
    return min(owed, key=lambda pair: pair[0] - pair[1], default=None)
