"""The policies that rotation has to beat, as other systems have them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from superinfer.sched.job import Job, Phase
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.step_time import StepLoad, StepTime

Order = Callable[[Job, int, StepTime], tuple[float, ...]]
"""Sort key of a waiting request at a time, given what steps cost: the least is served first."""


@dataclass(slots=True)
class Chunked:
    """Decode everything that runs, and fill the step up with prompt tokens in some order (Sarathi-Serve's stall-free
    batching, which vLLM and SGLang with mixed chunks share).

    When memory runs out, the request last in order is taken out and computed again later.

    Attributes:
        order: Of the waiting requests.
        chunk_tokens: Tokens in a step.
        preempts: Whether a waiting request may take the memory of a running one that is behind it in ``rank`` by class.
        rejects: Whether a request that cannot be on time is refused.
    """

    order: Order
    chunk_tokens: int = 2048
    preempts: bool = False
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
        waiting = sorted(
            (job for job in jobs if job.phase is not Phase.RUNNING),
            # A prompt that has begun goes on: its KV is in the pool.
            key=lambda job: (job.phase is not Phase.PREFILL, *self.order(job, now_us, self.step_time)),
        )
        reject = tuple(job for job in waiting if self.rejects and self._hopeless(job, now_us))
        waiting = [job for job in waiting if job not in reject]
        free = pool.capacity - pool.resident - len(running)
        park = self._overflow(running, free)
        free += sum(job.computed_tokens + 1 for job in park)
        if self.preempts and waiting:
            more = self._victims(waiting[0], [job for job in running if job not in park], free)
            free += sum(job.computed_tokens + 1 for job in more)
            park += more
        decode = tuple(job for job in running if job not in park)
        return Plan(decode, self._fill(waiting, self.chunk_tokens - len(decode), free, park), tuple(park), reject)

    def _overflow(self, running: list[Job], free: int) -> list[Job]:
        """The latest of the running, until the others have room for their next token."""
        park: list[Job] = []
        for job in sorted(running, key=lambda job: (-job.state.rank * self.preempts, -job.state.seq)):
            if free >= 0:
                break
            park.append(job)
            free += job.computed_tokens + 1
        return park

    def _victims(self, newcomer: Job, running: list[Job], free: int) -> list[Job]:
        worse = [job for job in running if job.state.rank > newcomer.state.rank]
        victims: list[Job] = []
        for job in sorted(worse, key=lambda job: (-job.state.rank, -job.state.seq)):
            if free > newcomer.missing_tokens:
                return victims
            victims.append(job)
            free += job.computed_tokens + 1
        return victims if free > newcomer.missing_tokens else []

    def _fill(self, waiting: list[Job], room: int, free: int, park: list[Job]) -> tuple[Chunk, ...]:
        chunks = []
        for job in waiting:
            if job in park:
                continue
            # What a parked request still has in the pool counts again once it is back.
            need = job.missing_tokens + 1 + (job.computed_tokens if job.phase is Phase.PARKED else 0)
            if room <= 0 or need > free:
                break
            tokens = min(job.missing_tokens, room)
            chunks.append(Chunk(job, tokens))
            room -= tokens
            free -= need
        return tuple(chunks)

    def _hopeless(self, job: Job, now_us: int) -> bool:
        due = job.state.first_due_us
        return (
            job.phase is Phase.WAITING
            and due is not None
            and now_us + self.step_time.prefill_us(job.uncached_tokens) > due
        )


def fcfs(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """First come, first served: vLLM's and SGLang's default."""
    return (job.state.seq,)


def by_class(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """The more important class first: the priority modes of vLLM and SGLang."""
    return (job.state.rank, job.state.seq)


def shortest_prefill_first(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """SGLang's policy of that name."""
    return (job.missing_tokens, job.state.seq)


def highest_response_ratio(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """Waiting time over service time: SGLang's ``hrrn``."""
    waited = now_us - job.state.arrival_us
    return (-(1 + waited / max(step_time.prefill_us(job.uncached_tokens), 1)), job.state.seq)


def earliest_deadline_first(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """By when the next token is due; without a target last."""
    due = job.state.next_due_us
    return (due if due is not None else float("inf"), job.state.seq)


def least_slack_first(job: Job, now_us: int, step_time: StepTime) -> tuple[float, ...]:
    """By the time that can still be lost."""
    due = job.state.next_due_us
    left = due - now_us - step_time.prefill_us(job.uncached_tokens) if due is not None else float("inf")
    return (left, job.state.seq)


BASELINES: dict[str, Callable[[], Chunked]] = {
    "fcfs": lambda: Chunked(fcfs),
    "priority": lambda: Chunked(by_class, preempts=True),
    "spf": lambda: Chunked(shortest_prefill_first),
    "hrrn": lambda: Chunked(highest_response_ratio),
    "edf": lambda: Chunked(earliest_deadline_first),
    "edf-reject": lambda: Chunked(earliest_deadline_first, rejects=True),
    "slack": lambda: Chunked(least_slack_first),
}
