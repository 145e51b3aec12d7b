"""A server's requests in the middle of a busy hour, and what an engine does to them: for timing decisions."""

from dataclasses import dataclass, field
from random import Random

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Plan, Pool
from superinfer.sched.rotation import RotationPolicy
from superinfer.sched.state import SLOState
from superinfer.sched.step_time import StepLoad
from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline
from superinfer.slo import SLO

TENANTS = 8
MOST_RUNNING = 256
START_US = 3_600_000_000
CLASSES = (
    (0.5, 0, SLO(cls="interactive", ttft_ms=1000, tpot_ms=100), (200, 2000)),
    (0.2, 1, SLO(cls="standard", ttft_ms=5000, deadline_ms=60_000), (500, 3000)),
    (0.3, 2, SLO(cls="batch"), (1000, 6000)),
)
"""Part of the requests, importance, promise, and range of prompt lengths."""


@dataclass(slots=True)
class Crowd:
    """``size`` requests on Llama-3.1-70B on four A100s: a quarter runs (``MOST_RUNNING`` at most), some are in the
    middle of their prompts, one in twenty is parked, all others wait. What ends is replaced.

    Attributes:
        size: Requests present.
        seed: Of everything random.
        policy: Decides.
        jobs: The requests, by arrival.
        now_us: The time.
    """

    size: int
    seed: int
    policy: RotationPolicy = field(default_factory=RotationPolicy)
    jobs: list[Job] = field(default_factory=list)
    now_us: int = START_US
    _cost: Roofline = field(default_factory=lambda: Roofline(hardware("a100x4"), model("llama-3.1-70b")))
    _random: Random = field(init=False)
    _arrivals: int = 0
    _capacity: int = 0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        for rows in (1, 8, 64, 256):
            self.policy.observe(load := StepLoad(rows, rows * 1500), self._cost.step_us(load))
        for tokens in (64, 512, 2048, 8192):
            self.policy.observe(load := StepLoad(0, 0, tokens, tokens * tokens // 2), self._cost.step_us(load))
        running, parked = min(self.size // 4, MOST_RUNNING), self.size // 20
        phases = [Phase.RUNNING] * running + [Phase.PREFILL] * 4 + [Phase.PARKED] * parked
        phases += [Phase.WAITING] * (self.size - len(phases))
        self._random.shuffle(phases)
        for phase in phases:
            self._give_history(self._arrive(self._random.randrange(20_000_000)), phase)
        self.jobs.sort(key=lambda job: job.state.arrival_us)
        # Room for a few more: who comes in, and who goes for it, is decided in each pass.
        self._capacity = 4000 + sum(job.context_tokens + 1 for job in self.jobs if job.phase is Phase.RUNNING)

    @property
    def pool(self) -> Pool:
        """KV memory, nearly full."""
        resident = sum(job.computed_tokens for job in self.jobs if job.phase is not Phase.PARKED)
        return Pool(self._capacity, resident)

    def carry_out(self, plan: Plan) -> None:
        """Run a step. For each request that begins to decode another ends, and one arrives."""
        load = StepLoad(
            decode_rows=len(plan.decode),
            kv_tokens=sum(job.computed_tokens for job in plan.decode),
            prefill_tokens=sum(chunk.tokens for chunk in plan.prefill),
            prefill_pairs=sum(chunk.tokens * (chunk.job.computed_tokens + chunk.tokens // 2) for chunk in plan.prefill),
        )
        elapsed_us = max(self._cost.step_us(load), 1000)
        self.now_us += elapsed_us
        for job in plan.park:
            job.phase, job.slice_us, job.waiting_since_us = Phase.PARKED, 0, self.now_us
            job.host_tokens, job.computed_tokens = job.host_tokens + job.computed_tokens, 0
        for chunk in plan.prefill:
            chunk.job.phase = Phase.PREFILL
            chunk.job.host_tokens -= min(chunk.job.host_tokens, chunk.tokens)
            self._serve(chunk.job, chunk.tokens, elapsed_us)
            if not chunk.job.missing_tokens:
                chunk.job.phase = Phase.RUNNING
                self._token(chunk.job)
        for job in plan.decode:
            self._serve(job, 1, elapsed_us)
            self._token(job)
        self.policy.observe(load, elapsed_us)
        begun = [chunk.job for chunk in plan.prefill if chunk.job.phase is Phase.RUNNING]
        for job in self._random.sample(plan.decode, min(len(begun), len(plan.decode))):
            self.policy.finish(job)
            self.jobs.remove(job)
            self._arrive(0)

    def _arrive(self, ago_us: int) -> Job:
        kind = self._random.choices(CLASSES, [part for part, *_ in CLASSES])[0]
        _, rank, promise, lengths = kind
        slo = SLO(tenant=f"tenant-{self._random.randrange(TENANTS)}").over(promise)
        state = SLOState(slo, rank, self._arrivals, self.now_us - ago_us)
        job = Job(state, self._random.randint(*lengths), 1024, waiting_since_us=state.arrival_us)
        self._arrivals += 1
        self.policy.admit(job)
        self.jobs.append(job)
        return job

    def _give_history(self, job: Job, phase: Phase) -> None:
        job.phase = phase
        job.slice_us = self._random.randrange(2_000_000) if phase is not Phase.WAITING else 0
        if phase is Phase.PREFILL:
            job.computed_tokens = job.prompt_tokens // 2
        elif phase is not Phase.WAITING:
            job.generated = self._random.randint(1, 300)
            since_us = min(job.state.arrival_us + 800_000, self.now_us)
            job.state.timeline.record(1, since_us)
            job.state.timeline.record(job.generated, self.now_us)
            job.computed_tokens = job.context_tokens if phase is Phase.RUNNING else 0
            job.host_tokens = job.context_tokens - job.computed_tokens

    def _serve(self, job: Job, tokens: int, elapsed_us: int) -> None:
        job.computed_tokens += tokens
        job.slice_us += elapsed_us
        job.waiting_since_us = self.now_us

    def _token(self, job: Job) -> None:
        job.generated += 1
        job.state.timeline.record(job.generated, self.now_us)
