"""What a scheduling policy is to the simulator."""

from collections.abc import Sequence
from typing import Protocol

from superinfer.sched.job import Job
from superinfer.sched.plan import Plan, Pool
from superinfer.sched.step_time import StepLoad


class Policy(Protocol):
    """Decides each step. It sees promises and progress, never a request's true length."""

    def admit(self, job: Job) -> None:
        """A request arrives."""

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """Plan the next step.

        Args:
            now_us: The time.
            jobs: Every request that is not finished, by arrival.
            pool: KV memory.
        """

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """A step was run."""

    def finish(self, job: Job) -> None:
        """A request has produced its last token."""
