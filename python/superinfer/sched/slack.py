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
    slacks = []
    if (due_us := state.next_due_us) is not None:
        slacks.append(due_us - now_us - prefill_us - cost.decode_us(1))
    if (due_us := state.last_due_us) is not None:
        slacks.append(due_us - now_us - prefill_us - cost.decode_us(remaining_tokens))
    return min(slacks, default=None)
