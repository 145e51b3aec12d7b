"""The longest prompt is not passed for ever: it has its turn when it would have it by arrival."""

from typing import Final

import numpy as np

from superinfer.sched.columns import NEVER, Columns, Ints
from superinfer.sched.owed import Owed

LONG_US: Final = 500_000
"""A shorter prompt is soon done whoever passes it: to give it a turn costs others more than it gains."""

SPARED: Final = 0.1
"""Part of their time that the others keep when the longest has its turn."""


def times_left_us(columns: Columns, owes: Owed, prompts: Ints, token_us: float) -> Ints:
    """Time until each of these prompts should be done: until its promise, or, of the longest, until its turn is over.

    A promise grows with the prompt, so that by promises the longest is passed by whatever comes after it, and may end
    later than if all went by arrival, though the others end much sooner. So it is due when it would be done by arrival,
    if that is before its promise, it takes ``LONG_US`` or more, and the others keep ``SPARED`` of their time. Only
    first tokens count here.

    Args:
        columns: The requests.
        owes: What they owe.
        prompts: Indices of prompts that can be on time; one at least.
        token_us: Time per prompt token.
    """
    left_us, cost_us = owes.left_us[prompts], owes.estimate_us[prompts]
    tokens = np.where(columns.terms.first_due_us == NEVER, 0, columns.terms.prompt_tokens)
    tokens[columns.started] = 0
    longest = int(tokens[prompts].argmax())
    turn_us = round(token_us * int(columns.turn_tokens[prompts[longest]]))
    if token_us * tokens[prompts[longest]] < LONG_US or turn_us >= left_us[longest]:
        return left_us
    sooner_us = left_us.copy()
    sooner_us[longest] = turn_us
    by_due = sooner_us.argsort(kind="stable")
    needed_us = (1 - SPARED) * sooner_us
    needed_us[longest] = turn_us
    return left_us if (cost_us[by_due].cumsum() > needed_us[by_due]).any() else sooner_us
