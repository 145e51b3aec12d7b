"""Rotation for its own sake: takes a running request out every few passes, to show that nobody can tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from superinfer.sched.job import Job
from superinfer.sched.plan import Plan, Pool
from superinfer.sched.rotation import RotationPolicy


@dataclass(slots=True)
class ForcedRotation(RotationPolicy):
    """The rotating policy, which also parks the running request that was rotated least, every ``every`` passes.

    Attributes:
        every: Passes between two forced rotations.
    """

    every: int = 16
    _passes: int = field(default=0, init=False)

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """Plan the next step, and rotate somebody if it is time to."""
        plan = RotationPolicy.decide(self, now_us, jobs, pool)
        self._passes += 1
        running = [job for job in plan.decode if job.generated and not job.fixed]
        if self._passes % self.every or not running:
            return plan
        victim = min(running, key=lambda job: (job.rotations, job.state.seq))
        return replace(
            plan,
            decode=tuple(job for job in plan.decode if job is not victim),
            park=(*plan.park, victim),
            park_reasons=(*plan.park_reasons, "forced"),
        )
