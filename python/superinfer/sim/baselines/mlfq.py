"""FastServe's skip-join multi-level feedback queue (Wu et al., "Fast Distributed Inference Serving for Large Language
Models", arXiv 2305.05920)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sim.baselines.room import total


@dataclass(slots=True)
class Place:
    """Where a request is in the queues.

    Attributes:
        queue: 0 is served first.
        since_us: When it came there: within a queue, first come is first served.
        served_us: Service there.
    """

    queue: int
    since_us: int
    served_us: int = 0


@dataclass(slots=True)
class SkipJoinMLFQ:
    """Least attained service first, in steps: queue i has a quantum of 2^i times the shortest step.

    A request joins the first queue whose quantum covers its prompt, and falls by one when it has used a quantum up.
    Whoever has had no service for long is promoted to the first. Requests further down are interrupted between steps
    and keep their KV until those above need the room. KV leaves the pool at no cost, as if it had been written ahead;
    what comes back is waited for, where FastServe fetches it ahead, too.

    Attributes:
        chunk_tokens: Tokens in a step.
        quantum_steps: Quantum of the first queue, in decode steps of one request.
        queues: How many there are.
        starvation_us: Time without service after which a request is promoted.
        step_time: What steps cost.
    """

    chunk_tokens: int = 2048
    quantum_steps: int = 1
    queues: int = 16
    starvation_us: int = 30_000_000
    step_time: StepTime = field(default_factory=StepTime)
    _places: dict[int, Place] = field(default_factory=dict)
    _step: tuple[Job, ...] = ()
    _now_us: int = 0

    def admit(self, job: Job) -> None:
        """Skip the queues whose quantum the prompt would exceed."""
        prompt_us = self.step_time.prefill_us(job.uncached_tokens)
        fitting = (queue for queue in range(self.queues) if self.quantum_us(queue) >= prompt_us)
        self._places[job.state.seq] = Place(next(fitting, self.queues - 1), job.waiting_since_us)

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """Charge the step to those who were in it."""
        self.step_time.observe(load, elapsed_us)
        for job in self._step:
            if (place := self._places.get(job.state.seq)) is None:
                continue
            place.served_us += elapsed_us
            if place.served_us >= self.quantum_us(place.queue):
                self._move(place, min(place.queue + 1, self.queues - 1), self._now_us + elapsed_us)

    def finish(self, job: Job) -> None:
        """It leaves the queues."""
        del self._places[job.state.seq]

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """See the class."""
        self._now_us = now_us
        for job in jobs:
            if now_us - job.waiting_since_us > self.starvation_us and self._places[job.state.seq].queue:
                self._move(self._places[job.state.seq], 0, now_us)
        kept, park = self._hold(sorted(jobs, key=self._key), pool.capacity)
        decode: list[Job] = []
        prefill: list[Chunk] = []
        room = self.chunk_tokens
        for job in kept:
            tokens = min(max(job.missing_tokens, 1), room)
            if tokens <= 0:
                break
            if job.phase is Phase.RUNNING:
                decode.append(job)
            else:
                prefill.append(Chunk(job, tokens))
            room -= tokens
        self._step = (*decode, *(chunk.job for chunk in prefill))
        return Plan(tuple(decode), tuple(prefill), park)

    def quantum_us(self, queue: int) -> int:
        """Service in a queue before a request falls."""
        return max(self.step_time.decode_us(self.quantum_steps), 1) << queue

    def queue(self, job: Job) -> int:
        """Where a request is; 0 is served first."""
        return self._places[job.state.seq].queue

    def _key(self, job: Job) -> tuple[int, int, int]:
        place = self._places[job.state.seq]
        return place.queue, place.since_us, job.state.seq

    @staticmethod
    def _move(place: Place, queue: int, now_us: int) -> None:
        place.queue, place.since_us, place.served_us = queue, now_us, 0

    @staticmethod
    def _hold(ordered: Sequence[Job], free: int) -> tuple[list[Job], tuple[Job, ...]]:
        """Those whose KV fits, in order, and those that have to make room."""
        kept: list[Job] = []
        park: list[Job] = []
        for job in ordered:
            if total(job) <= free:
                kept.append(job)
                free -= total(job)
            elif job.phase in (Phase.RUNNING, Phase.PREFILL):
                park.append(job)
        return kept, tuple(park)
