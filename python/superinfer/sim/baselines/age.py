"""Rotation by age, the rule of the code published as SuperInfer (arXiv 2601.20309, released on vLLM 0.6.6).

That code knows no promises: who has run longest goes, who has waited longest comes. It rotates while not everyone fits.
Transfers overlap with computing there; here a step waits for the KV that it loads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Pool
from superinfer.sched.step_time import StepTime
from superinfer.sim.baselines.chunked import Chunked
from superinfer.sim.baselines.room import freed, need

BUDGET_TOKENS = 38_400
"""Swapped out in a pass: 2,400 blocks of 16 tokens."""

HOST_TOKENS = 1_310_720
"""Host room: 400 GiB of Llama-3.1-70B's KV in 16 bits."""

HOST_FULL = 0.95
"""Use of the host from which on nobody is swapped out."""

HOST_BUSY = 0.90
"""Use of the host from which on requests that have not begun are held back."""


@dataclass(slots=True)
class RotateByAge:
    """Who makes room and who comes. Whoever comes back produces a token before it goes again.

    Attributes:
        budget_tokens: Swapped out in a pass; at most a tenth of the pool.
        host_tokens: What the host can hold.
    """

    budget_tokens: int = BUDGET_TOKENS
    host_tokens: int = HOST_TOKENS
    _generated: dict[int, int] = field(default_factory=dict)
    """Tokens that requests had when they were last taken out."""

    def order(self, waiting: Sequence[Job], now_us: int, step_time: StepTime) -> list[Job]:
        """Longest without service first, whether new or swapped out."""
        busy = self._host_share(waiting) > HOST_BUSY
        allowed = [job for job in waiting if not (busy and job.phase is Phase.WAITING)]
        return sorted(allowed, key=lambda job: (job.waiting_since_us, job.state.seq))

    def victims(self, waiting: Sequence[Job], running: Sequence[Job], free: int, pool: Pool) -> list[Job]:
        """Longest in service first, until the budget is freed."""
        budget = min(self.budget_tokens, pool.capacity // 10)
        everyone_fits = sum(map(need, waiting)) <= free
        if everyone_fits or free >= budget or self._host_share(waiting) >= HOST_FULL:
            return []
        out: list[Job] = []
        served = (job for job in running if job.generated > self._generated.get(job.state.seq, 0))
        for job in sorted(served, key=lambda job: (-job.slice_us, job.state.seq)):
            if budget <= 0:
                break
            out.append(job)
            self._generated[job.state.seq] = job.generated
            budget -= freed(job)
        return out

    def _host_share(self, waiting: Sequence[Job]) -> float:
        return sum(job.host_tokens for job in waiting) / self.host_tokens


def rotate_by_age() -> Chunked:
    """The published rule with its published budget."""
    rule = RotateByAge()
    return Chunked(rule.order, preempt=rule.victims)
