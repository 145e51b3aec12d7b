"""The KV pool of a simulated engine: what is in it, whose it is, and what goes when room is needed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from superinfer.sched.job import Job, Phase
from superinfer.sim.prefixes import PrefixBlocks
from superinfer.workload.arrivals import PREFIX_BLOCK_TOKENS


class PlanError(RuntimeError):
    """A policy planned what the engine cannot do: a mistake in the policy."""


@dataclass(slots=True)
class Memory:
    """KV of requests and of prompt blocks that requests left behind.

    A block of a prompt that is known by its identity is in the pool once, whoever shares it. When room is needed,
    blocks that no live request holds go first, of them the least recently used; then the KV of parked requests.

    Attributes:
        capacity: Tokens.
        host: Whether parked KV goes to the host rather than away.
        lost_tokens: Tokens that went away and will be computed again.
        cached_tokens: Prompt tokens that requests found in the pool.
    """

    capacity: int
    host: bool = True
    lost_tokens: int = 0
    cached_tokens: int = 0
    _blocks: PrefixBlocks = field(default_factory=PrefixBlocks)
    _parked: dict[int, Job] = field(default_factory=dict)
    _held: dict[int, int] = field(default_factory=dict)

    def match(self, job: Job) -> None:
        """Let a waiting request know what it would find."""
        if job.prefix:
            job.computed_tokens = PREFIX_BLOCK_TOKENS * self._blocks.match(_shareable(job))

    def begin(self, job: Job) -> None:
        """A request is given the tokens that were matched, or its own if it comes back."""
        self._parked.pop(job.state.seq, None)
        if job.phase is Phase.WAITING and job.computed_tokens:
            self.cached_tokens += job.computed_tokens
            if job.prefix:
                self._hold(job, job.computed_tokens // PREFIX_BLOCK_TOKENS)

    def computed(self, job: Job) -> None:
        """Full blocks of the prompt can be shared from now on."""
        if job.prefix:
            self._hold(job, min(job.computed_tokens // PREFIX_BLOCK_TOKENS, len(_shareable(job))))

    def park(self, job: Job) -> None:
        """Its KV stays until the room is needed."""
        self._parked[job.state.seq] = job

    def end(self, job: Job) -> None:
        """What is its own is free; blocks stay until the room is needed."""
        self._parked.pop(job.state.seq, None)
        self._release(job)

    def used(self, jobs: Iterable[Job]) -> int:
        """Tokens in the pool, given all unfinished requests."""
        own = sum(job.computed_tokens for job in jobs if job.phase is not Phase.WAITING)
        return own + PREFIX_BLOCK_TOKENS * (len(self._blocks) - sum(self._held.values()))

    def make_room(self, tokens: int, jobs: Collection[Job]) -> int:
        """Free so much that ``tokens`` more fit; returns what is used then, with them.

        Raises:
            PlanError: Everything that may go is not enough.
        """
        excess = self._evict_idle(self.used(jobs) + tokens - self.capacity)
        if excess > 0:
            excess = self._evict_parked(excess)
        if excess > 0:
            raise PlanError(f"the plan needs {excess} tokens of KV more than there are")
        return self.capacity + excess

    def _evict_idle(self, excess: int) -> int:
        while excess > 0 and self._blocks.evict():
            excess -= PREFIX_BLOCK_TOKENS
        return excess

    def _evict_parked(self, excess: int) -> int:
        """Those of the last tier first, of them the latest arrival."""
        for job in sorted(self._parked.values(), key=lambda job: (-job.tier, -job.state.seq)):
            if excess <= 0:
                break
            excess -= job.computed_tokens - PREFIX_BLOCK_TOKENS * self._held.get(job.state.seq, 0)
            self._release(job)
            if self.host:
                job.host_tokens += job.computed_tokens
            else:
                self.lost_tokens += job.computed_tokens
            job.computed_tokens = 0
            excess = self._evict_idle(excess)
        return excess

    def _hold(self, job: Job, blocks: int) -> None:
        held = self._held.get(job.state.seq, 0)
        if blocks > held:
            self._blocks.hold(job.prefix[held:blocks])
            self._held[job.state.seq] = blocks

    def _release(self, job: Job) -> None:
        self._blocks.release(job.prefix[: self._held.pop(job.state.seq, 0)])


def _shareable(job: Job) -> tuple[int, ...]:
    """Full blocks of the prompt, without its last token: that one is computed to get the first of the answer."""
    return job.prefix[: (job.prompt_tokens - 1) // PREFIX_BLOCK_TOKENS]
