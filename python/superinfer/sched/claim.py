"""A request's place in the order of a pass."""

from typing import NamedTuple

from superinfer.sched.job import Job, Phase

AGED, DUE, REST = 0, 1, 2
"""Bands: waited past the bound; owes something and can make it; everything else, from here on by class."""


class Claim(NamedTuple):
    """Compares as it is served: the least first.

    Attributes:
        band: ``AGED``, ``DUE``, or ``REST`` plus the rank of its class.
        bucket: Its slack, in buckets.
        served: What its tenant has had.
        seq: Arrival number: no two are equal, so that the order is total and the rest is never compared.
        job: The request.
    """

    band: int
    bucket: int
    served: float
    seq: int
    job: Job

    @property
    def resident(self) -> bool:
        """Whether its KV is in the pool and counts."""
        return self.job.phase in (Phase.RUNNING, Phase.PREFILL)

    @property
    def need(self) -> int:
        """Tokens of KV it has after its next token."""
        return max(self.job.context_tokens, self.job.computed_tokens) + 1
