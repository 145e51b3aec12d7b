"""A request as the rotating policy sees it, from arrival to the last token."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from superinfer.sched.state import SLOState


class Phase(IntEnum):
    """Where a request is. Small numbers, since many are compared at once."""

    WAITING = 0
    """Not admitted: none of its own KV is in the pool."""
    PREFILL = 1
    """Admitted, part of its prompt is computed."""
    RUNNING = 2
    """Decodes a token in each step it takes part in."""
    PARKED = 3
    """Rotated out. Its tokens are known; its KV may be in the pool, on the host, or nowhere."""


NOT_IN_LINE: Final = -1
"""Where the line ends with a request that no pass has seen yet: nowhere."""


@dataclass(slots=True, eq=False)
class Job:
    """What decisions are made of. The engine, real or simulated, keeps it up to date; policies set ``tier``,
    ``line_end_tokens`` and what is predicted only.

    Attributes:
        state: Promise and delivery.
        prompt_tokens: Length of the prompt.
        expected_tokens: Tokens it will produce, as predicted.
        most_tokens: Tokens that it may produce; 0 before it is predicted.
        computed_tokens: Prompt and output tokens whose KV is in the pool.
        host_tokens: Tokens whose KV is on the host, to be loaded back.
        elsewhere_tokens: Tokens of its context that lie, or will lie, in memory that others do not compete for.
        generated: Tokens produced.
        phase: Where it is.
        tier: Rotation tier, 0 the fastest.
        slice_us: Engine time served since it was last admitted.
        waiting_since_us: Since when it has had no service.
        rotations: How often it was taken out.
        line_end_tokens: Prompt tokens, whoever's, that will have been computed when it would be done by arrival.
        fixed: Whether it must not be taken out, in the engine's opinion.
        prefix: Identities of the leading blocks of its prompt, where requests may share some.
    """

    state: SLOState
    prompt_tokens: int
    expected_tokens: int
    computed_tokens: int = 0
    host_tokens: int = 0
    elsewhere_tokens: int = 0
    generated: int = 0
    phase: Phase = Phase.WAITING
    tier: int = 0
    slice_us: int = 0
    waiting_since_us: int = 0
    rotations: int = 0
    line_end_tokens: int = NOT_IN_LINE
    most_tokens: int = 0
    fixed: bool = False
    prefix: tuple[int, ...] = ()

    @property
    def context_tokens(self) -> int:
        """Tokens that must be in the pool before the next one can come: the newest is computed with it."""
        return self.prompt_tokens + max(self.generated - 1, 0)

    @property
    def missing_tokens(self) -> int:
        """Tokens to compute or load before the next one can come; 0 for a request that decodes."""
        return max(self.context_tokens - self.computed_tokens, 0)

    @property
    def uncached_tokens(self) -> int:
        """Tokens to compute before the next one can come."""
        return max(self.missing_tokens - self.host_tokens, 0)

    @property
    def loading_tokens(self) -> int:
        """Tokens to load before the next one can come."""
        return min(self.host_tokens, self.missing_tokens)

    @property
    def remaining_tokens(self) -> int:
        """Tokens still to be produced, as predicted; at least one."""
        return max(self.expected_tokens - self.generated, 1)
