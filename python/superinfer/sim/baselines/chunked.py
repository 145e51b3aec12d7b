"""The engine loop that most systems share: decode everything, fill the step up with prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sim.baselines.orders import Order
from superinfer.sim.baselines.room import Preempt, Reserve, freed, latest, need, no_reserve, nobody


@dataclass(slots=True)
class Chunked:
    """Decode everything that runs, and fill the step up with prompt tokens in some order (Sarathi-Serve's stall-free
    batching, which vLLM and SGLang with mixed chunks share).

    Attributes:
        order: Of the waiting requests.
        chunk_tokens: Tokens in a step.
        whole_prompts: Whether a prompt that is not the first of its step waits rather than be cut.
        reserve: What admission keeps free for outputs.
        preempt: Who makes room for the waiting.
        retract: Sort key of who goes first when memory runs out for those that run.
        rejects: Whether a request that cannot be on time is refused.
        step_time: What steps cost, for the orders that ask.
    """

    order: Order
    chunk_tokens: int = 2048
    whole_prompts: bool = False
    reserve: Reserve = no_reserve
    preempt: Preempt = nobody
    retract: Callable[[Job], tuple[int, ...]] = latest
    rejects: bool = False
    step_time: StepTime = field(default_factory=StepTime)

    def admit(self, job: Job) -> None:
        """Nothing to decide."""

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """Estimates of the orders that use them."""
        self.step_time.observe(load, elapsed_us)

    def finish(self, job: Job) -> None:
        """Nothing to learn."""

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """See the class."""
        running = [job for job in jobs if job.phase is Phase.RUNNING]
        reject = tuple(job for job in jobs if self.rejects and self._hopeless(job, now_us))
        waiting = self._waiting([job for job in jobs if job not in reject], now_us)
        free = pool.capacity - pool.resident - len(running)
        park = self._overflow(running, free)
        running = [job for job in running if job not in park]
        free += sum(freed(job) for job in park) - sum(self.reserve(job) for job in running)
        more = self.preempt(waiting, running, free, pool)
        free += sum(freed(job) + self.reserve(job) for job in more)
        decode = tuple(job for job in running if job not in more)
        return Plan(decode, self._fill(waiting, len(decode), free), (*park, *more), reject)

    def _waiting(self, jobs: Sequence[Job], now_us: int) -> list[Job]:
        """A prompt that has begun goes on before others: its KV is in the pool."""
        begun = [job for job in jobs if job.phase is Phase.PREFILL]
        queue = [job for job in jobs if job.phase in (Phase.WAITING, Phase.PARKED)]
        return [*self.order(begun, now_us, self.step_time), *self.order(queue, now_us, self.step_time)]

    def _overflow(self, running: Sequence[Job], free: int) -> list[Job]:
        """Who is taken out until the others have room for their next token."""
        park: list[Job] = []
        for job in sorted(running, key=self.retract):
            if free >= 0:
                break
            park.append(job)
            free += freed(job)
        return park

    def _fill(self, waiting: Sequence[Job], rows: int, free: int) -> tuple[Chunk, ...]:
        chunks: list[Chunk] = []
        room = self.chunk_tokens - rows
        for job in waiting:
            tokens = min(job.missing_tokens, room)
            # On an empty machine nothing is gained by holding back.
            wanted = need(job) + (self.reserve(job) if rows or chunks else 0)
            if tokens <= 0 or wanted > free or (self.whole_prompts and chunks and tokens < job.missing_tokens):
                break
            chunks.append(Chunk(job, tokens))
            room -= tokens
            free -= need(job) + self.reserve(job)
        return tuple(chunks)

    def _hopeless(self, job: Job, now_us: int) -> bool:
        due = job.state.first_due_us
        return (
            job.phase is Phase.WAITING
            and due is not None
            and now_us + self.step_time.prefill_us(job.uncached_tokens) > due
        )
