"""FlexGen's way of serving: throughput from a large block, with everything in host memory (Sheng et al., "FlexGen:
High-Throughput Generative Inference of Large Language Models with a Single GPU", ICML 2023).

Much simplified. Weights and KV are on the host. A step brings all weights over the link once, for the whole block of
requests, and the KV of those that decode; transfers and computing overlap. There is no continuous batching: a block is
formed of what waits and fits, its prompts are computed, it decodes until all of it is done, then the next is formed.
Attention on the host's processor, compression and disks are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from superinfer.sched.job import Job
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.step_time import StepLoad
from superinfer.sim.roofline import Roofline

HOST_BYTES = 512e9
"""Host memory for weights and KV."""

BLOCK_STEP_TOKENS = 65_536
"""Prompt tokens that share one pass of the weights."""


@dataclass(frozen=True, slots=True)
class Offloaded(Roofline):
    """A machine that keeps weights and KV on the host."""

    @property
    def kv_tokens(self) -> int:
        """Tokens whose KV fits into host memory beside the weights."""
        return int((HOST_BYTES - self.model.parameters * self.model.weight_bytes) / self.model.kv_bytes_per_token)

    def step_us(self, load: StepLoad) -> int:
        """The longest of the transfers and what the step takes with everything in place."""
        tokens = load.decode_rows + load.prefill_tokens
        moved = self.model.weight_bytes_read(tokens) + load.kv_tokens * self.model.kv_bytes_per_token
        link_us = round(1e6 * moved / self.hardware.link_bytes_per_s) if tokens else 0
        # Not super(): it does not know this class, which slots make anew.
        return max(Roofline.step_us(self, load), link_us)


@dataclass(slots=True)
class Blocks:
    """One block after the other, each to its end."""

    _members: set[int] = field(default_factory=set)

    def admit(self, job: Job) -> None:
        """It waits for the next block."""

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """Nothing to learn."""

    def finish(self, job: Job) -> None:
        """It leaves the block."""
        self._members.discard(job.state.seq)

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """Compute the prompts of the block, then decode all of it."""
        if not self._members:
            self._members = _block(jobs, pool)
        block = [job for job in jobs if job.state.seq in self._members]
        chunks: list[Chunk] = []
        room = BLOCK_STEP_TOKENS
        for job in block:
            if (tokens := min(job.missing_tokens, room)) > 0:
                chunks.append(Chunk(job, tokens))
                room -= tokens
        return Plan(prefill=tuple(chunks)) if chunks else Plan(decode=tuple(block))


def _block(waiting: Sequence[Job], pool: Pool) -> set[int]:
    """The earliest requests that fit with all that they may produce."""
    members: set[int] = set()
    free = pool.capacity
    for job in waiting:
        free -= job.prompt_tokens + job.remaining_tokens
        if free < 0:
            break
        members.add(job.state.seq)
    return members
