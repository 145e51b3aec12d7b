"""What each request of a pass owes next, and how long that takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superinfer.sched.columns import NEVER, Bools, Columns, Ints
from superinfer.sched.step_time import StepTime


@dataclass(frozen=True, slots=True)
class Owed:
    """The obligation with the least slack of each request.

    Attributes:
        exists: Whether there is one.
        left_us: Time until it is due; without meaning where nothing is owed.
        estimate_us: Time to meet it, or to the next token where nothing is owed.
    """

    exists: Bools
    left_us: Ints
    estimate_us: Ints


def owed(columns: Columns, now_us: int, step_time: StepTime, token_us: float) -> Owed:
    """What is owed, if a prompt token takes ``token_us`` or what it takes alone, whichever is more.

    What is on the host is loaded before.
    """
    next_us = np.maximum(_prefill_us(columns, step_time), _rounded(token_us * columns.uncached_tokens))
    next_us += _rounded(step_time.loads.us_per_token * columns.host_tokens)
    last_us = next_us + _rounded(columns.remaining_tokens * step_time.decode_token_us)
    next_due_us, last_due_us = _next_due_us(columns), columns.terms.last_due_us
    by_next = next_due_us - next_us <= last_due_us - last_us
    due_us = np.where(by_next, next_due_us, last_due_us)
    exists = due_us != NEVER
    return Owed(exists, due_us - now_us, np.where(by_next | ~exists, next_us, last_us))


def _prefill_us(columns: Columns, step_time: StepTime) -> Ints:
    """``StepTime.prefill_us`` of each request's next token."""
    constant, token, pair = step_time.prefill_prices_us
    tokens = columns.uncached_tokens
    pairs = tokens * (columns.computed_tokens + columns.host_tokens) + tokens * tokens // 2
    return np.where(tokens > 0, _rounded(constant + token * tokens + pair * pairs), 0)


def _next_due_us(columns: Columns) -> Ints:
    """When the next token is due, by the same clock as ``SLOState.next_due_us``."""
    due_us: Ints = columns.terms.first_due_us.copy()
    streams = columns.streams
    promised_us = due_us[streams.index]
    due_us[columns.started] = NEVER
    start_us = np.maximum(streams.first_us, np.where(promised_us == NEVER, 0, promised_us))
    due_us[streams.index] = start_us + streams.sent_us.astype(np.int64)
    return due_us


def _rounded(values: NDArray[np.floating[Any]]) -> Ints:
    rounded: Ints = np.rint(values).astype(np.int64)
    return rounded
