"""What the cache is told about a request that uses a prefix."""

from dataclasses import dataclass
from enum import IntEnum
from math import inf

TENANT_BUCKETS = 8
"""Tenants are told apart up to this many hash buckets."""


class Kind(IntEnum):
    """What the tokens of a node are."""

    UNKNOWN = 0
    SYSTEM = 1
    USER = 2
    TOOL = 3
    GENERATED = 4


@dataclass(frozen=True, slots=True)
class Use:
    """One request's pass over the nodes of its prompt.

    Attributes:
        seq: Number of the request; later ones have higher numbers.
        time_s: When it came, in seconds of the clock that all ranks share.
        prompt_tokens: Length of its prompt.
        new_tokens: Those of them that no earlier prompt had; what has been evicted is not new.
        output_tokens: Length of its answer, or 0 while it is not known.
        slo_class: Rank of its SLO class, 0 for the most urgent.
        tenant: Hash bucket of its tenant, below ``TENANT_BUCKETS``.
        slack_ms: Time that its promise leaves until its first token, or its end; infinite if nothing was promised.
        kind: What its prompt ends with.
    """

    seq: int
    time_s: float
    prompt_tokens: int
    new_tokens: int = 0
    output_tokens: int = 0
    slo_class: int = 0
    tenant: int = 0
    slack_ms: float = inf
    kind: Kind = Kind.UNKNOWN
