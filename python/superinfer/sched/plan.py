"""What a scheduling pass decides."""

from dataclasses import dataclass
from typing import Literal

from superinfer.sched.job import Job

ParkReason = Literal["memory", "aged", "displaced", "forced"]
"""Why a request is taken out: those that are inside do not all fit any more; one that has waited past the bound gets
its room; somebody of an earlier band does; to show that it can be done (``ForcedRotation``)."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What a pass may use.

    Attributes:
        capacity: KV memory, in tokens.
        resident: KV of running and prefilling requests.
        rows: Requests that may run or prefill at a time.
    """

    capacity: int
    resident: int
    rows: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next ``tokens`` missing tokens of a request: those on the host are loaded, the others computed."""

    job: Job
    tokens: int

    @property
    def computed_tokens(self) -> int:
        """How many of them are computed."""
        return max(self.tokens - self.job.loading_tokens, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """One engine step.

    Attributes:
        decode: Requests that produce one token each.
        prefill: What is computed of whose context; a request whose context becomes complete produces a token.
        park: Running or prefilling requests to take out first. Their KV stays until the memory is needed.
        reject: Waiting requests to refuse.
        park_reasons: Why each of ``park`` is taken out, in their order; empty if the policy does not tell.
    """

    decode: tuple[Job, ...] = ()
    prefill: tuple[Chunk, ...] = ()
    park: tuple[Job, ...] = ()
    reject: tuple[Job, ...] = ()
    park_reasons: tuple[ParkReason, ...] = ()
