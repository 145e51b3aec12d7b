"""A serving engine in discrete time: continuous batching, chunked prefill, a KV pool, parking."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field

import simpy

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.state import SLOState
from superinfer.sched.step_time import StepLoad
from superinfer.sim.kv_account import KvAccount
from superinfer.sim.machine import Machine
from superinfer.sim.memory import Memory
from superinfer.sim.policy import Policy
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from superinfer.workload.attainment import Served

UNKNOWN_TOKENS = 1024
"""What a request allows itself to produce."""


@dataclass(slots=True)
class Totals:
    """Counters of a run."""

    steps: int = 0
    busy_us: int = 0
    end_us: int = 0
    prefill_tokens: int = 0
    output_tokens: int = 0
    rotations: int = 0
    recomputed_tokens: int = 0
    cached_tokens: int = 0
    peak_kv_tokens: int = 0


@dataclass(slots=True)
class Engine:
    """Runs a load under a policy. Events at one time happen in the order in which they were scheduled.

    Attributes:
        cost: How long steps take, and how much KV fits.
        policy: Decides each step.
        rank_of: Importance of a promise's class, 0 first.
        host: Whether parked KV that has to make room goes to the host rather than away.
        kv: Counts bytes of KV, if that is wanted.
    """

    cost: Machine
    policy: Policy
    rank_of: Callable[[SLO], int]
    host: bool = True
    kv: KvAccount | None = None
    totals: Totals = field(default_factory=Totals)
    _env: simpy.Environment = field(default_factory=simpy.Environment)
    _jobs: dict[int, Job] = field(default_factory=dict)
    _lengths: dict[int, int] = field(default_factory=dict)
    _served: dict[int, Served] = field(default_factory=dict)
    _memory: Memory = field(init=False)
    _wake: simpy.Event | None = None

    def __post_init__(self) -> None:
        self._memory = Memory(self.cost.kv_tokens, self.host)

    def run(self, load: Iterable[Arrival], until_us: int | None = None) -> list[Served]:
        """Serve ``load``; returns what became of each request, by arrival."""
        arrivals = list(load)
        self._env.process(self._arrive(arrivals))
        self._env.process(self._serve())
        self._env.run(until_us)
        self.totals.end_us = int(self._env.now)
        self.totals.recomputed_tokens = self._memory.lost_tokens
        self.totals.cached_tokens = self._memory.cached_tokens
        unfinished = {
            seq: Served(None, job.prompt_tokens, job.generated)
            for seq, job in self._jobs.items()
            if seq not in self._served
        }
        return [served for _, served in sorted((self._served | unfinished).items())]

    # Processes.

    def _arrive(self, arrivals: list[Arrival]) -> Generator[simpy.Event, None, None]:
        for seq, arrival in enumerate(arrivals):
            if (wait := arrival.at_us - int(self._env.now)) > 0:
                yield self._env.timeout(wait)
            now = int(self._env.now)
            state = SLOState(arrival.slo, self.rank_of(arrival.slo), seq, now)
            # How long the answer will be is the policy's guess.
            job = Job(state, arrival.prompt_tokens, UNKNOWN_TOKENS, arrival.cached_tokens, waiting_since_us=now)
            job.prefix = arrival.prefix
            self._memory.match(job)
            self._jobs[seq] = job
            self._lengths[seq] = arrival.output_tokens
            self.policy.admit(job)
            if self._wake is not None and not self._wake.triggered:
                self._wake.succeed()

    def _serve(self) -> Generator[simpy.Event, None, None]:
        while True:
            now = int(self._env.now)
            jobs = list(self._jobs.values())
            for job in jobs:
                if job.phase is Phase.WAITING:
                    self._memory.match(job)
            plan = self.policy.decide(now, jobs, self._pool())
            self._make_room(plan, now)
            load = self._load(plan)
            if not plan.decode and not plan.prefill:
                if plan.park:
                    # Somebody has left, and the next plan may use the room.
                    continue
                self._wake = self._env.event()
                yield self._wake
                continue
            elapsed = self.cost.step_us(load) + self._load_back(plan)
            yield self._env.timeout(elapsed)
            self._finish_step(plan, load, elapsed)

    # One step.

    def _pool(self) -> Pool:
        resident = sum(
            job.computed_tokens for job in self._jobs.values() if job.phase in (Phase.RUNNING, Phase.PREFILL)
        )
        return Pool(self.cost.kv_tokens, resident)

    def _load(self, plan: Plan) -> StepLoad:
        return StepLoad(
            decode_rows=len(plan.decode),
            kv_tokens=sum(job.computed_tokens for job in plan.decode),
            prefill_tokens=sum(_computed(chunk) for chunk in plan.prefill),
            prefill_pairs=sum(_pairs(chunk) for chunk in plan.prefill),
        )

    def _make_room(self, plan: Plan, now: int) -> None:
        for job in plan.reject:
            self._end(job, None)
        for job in plan.park:
            job.phase, job.waiting_since_us, job.slice_us = Phase.PARKED, now, 0
            # Coming back computes at least one token.
            job.computed_tokens = min(job.computed_tokens, max(job.context_tokens - 1, 0))
            job.rotations += 1
            self.totals.rotations += 1
            self._memory.park(job)
        for chunk in plan.prefill:
            self._memory.begin(chunk.job)
            chunk.job.phase = Phase.PREFILL
        growth = len(plan.decode) + sum(chunk.tokens for chunk in plan.prefill)
        used = self._memory.make_room(growth, self._jobs.values())
        self.totals.peak_kv_tokens = max(self.totals.peak_kv_tokens, used)
        if self.kv and growth:
            self.kv.note(self._jobs.values(), plan)

    def _load_back(self, plan: Plan) -> int:
        """Time that this step waits for KV from the host, which comes before anything is computed anew."""
        loaded = 0
        for chunk in plan.prefill:
            loaded += min(chunk.job.host_tokens, chunk.tokens)
        return self.cost.load_back_us(loaded) if loaded else 0

    def _finish_step(self, plan: Plan, load: StepLoad, elapsed: int) -> None:
        now = int(self._env.now)
        self.totals.steps += 1
        self.totals.busy_us += elapsed
        self.totals.prefill_tokens += load.prefill_tokens
        for chunk in plan.prefill:
            job = chunk.job
            job.slice_us, job.waiting_since_us = job.slice_us + elapsed, now
            job.host_tokens -= min(job.host_tokens, chunk.tokens)
            job.computed_tokens += chunk.tokens
            self._memory.computed(job)
            if not job.missing_tokens:
                job.phase = Phase.RUNNING
                if not job.generated:
                    self._token(job, now)
        for job in plan.decode:
            job.computed_tokens += 1
            job.slice_us += elapsed
            job.waiting_since_us = now
            self._token(job, now)
        self.policy.observe(load, elapsed)

    def _token(self, job: Job, now: int) -> None:
        job.generated += 1
        self.totals.output_tokens += 1
        job.state.timeline.record(job.generated, now)
        if job.generated >= self._lengths[job.state.seq]:
            self.policy.finish(job)
            self._end(job, Served(job.state.outcome(), job.prompt_tokens, job.generated))

    def _end(self, job: Job, served: Served | None) -> None:
        seq = job.state.seq
        self._served[seq] = served or Served(None, job.prompt_tokens, job.generated)
        del self._jobs[seq]
        self._memory.end(job)


def _computed(chunk: Chunk) -> int:
    """Tokens of a chunk that are computed: what the host holds is loaded."""
    return max(chunk.tokens - chunk.job.host_tokens, 0)


def _pairs(chunk: Chunk) -> int:
    tokens = _computed(chunk)
    return tokens * (chunk.job.computed_tokens + chunk.tokens - tokens) + tokens * tokens // 2
