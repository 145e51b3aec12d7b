"""The rotating scheduler's policy: who computes in the next step, and who makes room."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from superinfer.sched.claim import AGED, DUE, REST, Claims
from superinfer.sched.columns import Columns, Ints, Reader
from superinfer.sched.feasible import late_jobs
from superinfer.sched.job import Job
from superinfer.sched.lengths import OutputLengths
from superinfer.sched.owed import Owed, owed
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.room import Room
from superinfer.sched.service import TenantService
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sched.tiers import Tiers

PACE_SHARE = 0.85
"""Part of a stream's time to its next token that a step may take: predictions err."""


@dataclass(frozen=True, slots=True)
class RotationSettings:
    """The operator's choices.

    Attributes:
        tiers: Slices and shares.
        max_step_us: Longest step, also where no stream asks for less: what an urgent newcomer may have to wait.
        max_chunk_tokens: Prompt tokens in one step, at most.
        max_wait_us: A request that has waited so long goes to the front.
        bucket_us: Slacks in one bucket are equal.
        max_parked: Requests taken out in one pass, at most.
    """

    tiers: Tiers = field(default_factory=Tiers)
    max_step_us: int = 250_000
    max_chunk_tokens: int = 8192
    max_wait_us: int = 60_000_000
    bucket_us: int = 50_000
    max_parked: int = 4


@dataclass(slots=True)
class RotationPolicy:
    """Order by slack; a step as long as the tightest stream allows; rotation when somebody gains.

    Tiers follow slack, but do not order yet: the engine reads them to choose whose parked KV makes room first.

    Attributes:
        settings: The operator's choices.
        step_time: What steps cost.
        lengths: How many tokens requests produce.
        service: What tenants have had.
    """

    settings: RotationSettings = field(default_factory=RotationSettings)
    step_time: StepTime = field(default_factory=StepTime)
    lengths: OutputLengths = field(default_factory=OutputLengths)
    service: TenantService = field(default_factory=TenantService)
    _reader: Reader = field(default_factory=Reader)

    def admit(self, job: Job) -> None:
        """A request arrives: guess its length, choose its first tier."""
        slo = job.state.slo
        job.expected_tokens = self.lengths.predict(slo.cls, slo.tenant, job.prompt_tokens, at_most=job.expected_tokens)
        job.tier = self.settings.tiers.entry(job.state.rank, self.step_time.prefill_us(job.uncached_tokens))

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """A step was run."""
        self.step_time.observe(load, elapsed_us)

    def finish(self, job: Job) -> None:
        """A request has produced its last token."""
        slo = job.state.slo
        self.lengths.observe(slo.cls, slo.tenant, job.prompt_tokens, job.generated)
        self.service.serve(slo.tenant, job.prompt_tokens, job.generated)

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """Plan the next step.

        Args:
            now_us: The tick.
            jobs: Every request that is not finished.
            pool: KV memory.
        """
        columns = self._reader.read(jobs, self.service)
        budget_us = self._allowance_us(columns, now_us)
        claims = self._claims(columns, now_us, self._token_us(columns, budget_us))
        room = Room(self.settings.tiers.slice_us, self.settings.max_parked)
        chosen, parked = (claims.index[places] for places in room.make(claims, pool.capacity))
        decode = chosen[columns.running[chosen]]
        waiting = (jobs[index] for index in chosen[columns.missing_tokens[chosen] > 0].tolist())
        prefill = tuple(self._chunks(waiting, _load(columns, decode), budget_us))
        return Plan(_jobs(jobs, decode), prefill, _jobs(jobs, parked))

    # Order.

    def _claims(self, columns: Columns, now_us: int, token_us: float) -> Claims:
        owes = owed(columns, now_us, self.step_time, token_us)
        self._move(columns, owes)
        waits = owes.exists & (columns.missing_tokens > 0)
        can_be_met = owes.exists.copy()
        can_be_met[waits] = ~late_jobs(now_us + owes.left_us[waits], owes.estimate_us[waits], now_us)
        aged = ~columns.running & (now_us - columns.waiting_since_us > self.settings.max_wait_us)
        band = np.where(aged, AGED, np.where(can_be_met, DUE, REST + columns.terms.rank))
        bucket = np.where(band == DUE, (owes.left_us - owes.estimate_us) // self.settings.bucket_us, 0)
        return Claims.ordered(columns, band, bucket)

    def _move(self, columns: Columns, owes: Owed) -> None:
        tier = self.settings.tiers.move(columns.tier, owes, columns.slice_us)
        for index in np.flatnonzero(tier != columns.tier).tolist():
            columns.jobs[index].tier = int(tier[index])

    # Time.

    def _allowance_us(self, columns: Columns, now_us: int) -> int:
        """How long the step may take for every stream to stay on its pace; one that is behind allows its pace."""
        streams = columns.streams
        # From the actual first token on: the mean pace is what clients measure.
        left_us = streams.first_us + streams.sent_us - now_us
        allowed_us = PACE_SHARE * np.maximum(left_us, streams.pace_us)[columns.running[streams.index]]
        return round(float(allowed_us.min(initial=self.settings.max_step_us)))

    def _token_us(self, columns: Columns, budget_us: int) -> float:
        """Time per prompt token while the present streams keep their pace."""
        load = _load(columns, np.flatnonzero(columns.running))
        tokens = self.step_time.prefill_tokens_within(budget_us, load, context=0)
        return budget_us / min(max(tokens, 1), self.settings.max_chunk_tokens)

    def _chunks(self, waiting: Iterable[Job], load: StepLoad, budget_us: int) -> Iterator[Chunk]:
        used = 0
        for job in waiting:
            room = self.step_time.prefill_tokens_within(budget_us, load, job.computed_tokens) - used
            tokens = min(job.missing_tokens, room, self.settings.max_chunk_tokens - used)
            if tokens <= 0:
                return
            yield Chunk(job, tokens)
            used += tokens


def _load(columns: Columns, decode: Ints) -> StepLoad:
    return StepLoad(len(decode), int(columns.computed_tokens[decode].sum()))


def _jobs(jobs: Sequence[Job], indices: Ints) -> tuple[Job, ...]:
    return tuple(jobs[index] for index in indices.tolist())
