"""The rotating policy as SGLang can obey it: one prompt is computed in parts at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.rotation import RotationPolicy
from superinfer.sched.step_time import StepLoad, StepTime


@dataclass(slots=True)
class OneInParts:
    """Changes plans as the server does (``Rotation`` in ``srt/rotation.py``).

    Whoever would be a second prompt in parts gives its tokens to the one under way, which stands in its way, or takes
    its place if it is of a more important class. The one under way gets a token at least in each step with prompts.

    Attributes:
        policy: Decides.
    """

    policy: RotationPolicy

    @property
    def step_time(self) -> StepTime:
        """What the policy has learnt of steps."""
        return self.policy.step_time

    def admit(self, job: Job) -> None:
        """See ``Policy``."""
        self.policy.admit(job)

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """See ``Policy``."""
        self.policy.observe(load, elapsed_us)

    def finish(self, job: Job) -> None:
        """See ``Policy``."""
        self.policy.finish(job)

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """The policy's plan, as far as it can be done."""
        plan = self.policy.decide(now_us, jobs, pool)
        under_way = next((job for job in jobs if job.phase is Phase.PREFILL), None)
        partly, resumed, others, park = under_way, 0, list[Chunk](), list(plan.park)
        for chunk in plan.prefill:
            job = chunk.job
            if job is under_way:
                resumed += chunk.tokens
                continue
            whole = chunk.tokens >= job.missing_tokens
            if not whole and partly is not None:
                if partly is not under_way or not _makes_way(under_way, job, park):
                    resumed += chunk.tokens if partly is under_way else 0
                    continue
                park.append(under_way)
            partly = partly if whole else job
            others.append(chunk)
        if under_way is None or under_way in park or not (others or resumed or not plan.decode):
            return replace(plan, prefill=tuple(others), park=tuple(park), park_reasons=())
        first = Chunk(under_way, min(max(resumed, 1), under_way.missing_tokens))
        return replace(plan, prefill=(first, *others), park=tuple(park), park_reasons=())


def _makes_way(under_way: Job, job: Job, park: Sequence[Job]) -> bool:
    return under_way not in park and not under_way.fixed and under_way.state.rank > job.state.rank
