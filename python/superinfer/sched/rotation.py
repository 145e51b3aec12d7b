"""The rotating scheduler's policy: who computes in the next step, and who makes room."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from superinfer.sched.claim import AGED, DUE, REST, Claim
from superinfer.sched.feasible import Due, late_jobs
from superinfer.sched.job import Job, Phase
from superinfer.sched.lengths import OutputLengths
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.room import Room
from superinfer.sched.service import TenantService
from superinfer.sched.slack import tightest
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
        running = [job for job in jobs if job.phase is Phase.RUNNING]
        budget_us = self._allowance_us(running, now_us)
        claims = sorted(self._claims(now_us, jobs, self._token_us(running, budget_us)))
        chosen, park = Room(self.settings.tiers.slice_us, self.settings.max_parked).make(claims, pool)
        decode = tuple(claim.job for claim in chosen if claim.job.phase is Phase.RUNNING)
        prefill = self._chunks([claim.job for claim in chosen if claim.job.missing_tokens], decode, budget_us)
        return Plan(decode, prefill, park)

    # Order.

    def _claims(self, now_us: int, jobs: Sequence[Job], token_us: float) -> Iterable[Claim]:
        owed = [self._owed(job, now_us, token_us) for job in jobs]
        given_up = late_jobs(
            [
                Due(now_us + left, estimate, index)
                for index, (job, (left, estimate)) in enumerate(zip(jobs, owed, strict=True))
                if left is not None and job.missing_tokens
            ],
            now_us,
        )
        for index, (job, (left, estimate)) in enumerate(zip(jobs, owed, strict=True)):
            job.tier = self.settings.tiers.move(job.tier, estimate, left, job.slice_us)
            band, bucket = REST + job.state.rank, 0
            if job.phase is not Phase.RUNNING and now_us - job.waiting_since_us > self.settings.max_wait_us:
                band = AGED
            elif left is not None and index not in given_up:
                band, bucket = DUE, (left - estimate) // self.settings.bucket_us
            yield Claim(band, bucket, self.service.served(job.state.slo.tenant), job.state.seq, job)

    def _owed(self, job: Job, now_us: int, token_us: float) -> tuple[int | None, int]:
        """Time until the obligation with the least slack is due, if there is one, and the estimated time to meet it."""
        next_us = max(
            self.step_time.prefill_us(job.uncached_tokens, job.computed_tokens), round(token_us * job.uncached_tokens)
        )
        last_us = next_us + self.step_time.decode_us(job.remaining_tokens)
        return tightest(job.state, now_us, next_us, last_us) or (None, next_us)

    # Time.

    def _allowance_us(self, running: Sequence[Job], now_us: int) -> int:
        """How long the step may take for every stream to stay on its pace; one that is behind allows its pace."""
        allowances = []
        for job in running:
            pace_ms, line = job.state.slo.pace_ms, job.state.timeline
            if pace_ms is not None and line.first_us is not None:
                # From the actual first token on: the mean pace is what clients measure.
                due_us = line.first_us + line.tokens * pace_ms * 1000
                allowances.append(round(PACE_SHARE * max(due_us - now_us, pace_ms * 1000)))
        return min([self.settings.max_step_us, *allowances])

    def _token_us(self, running: Sequence[Job], budget_us: int) -> float:
        """Time per prompt token while the present streams keep their pace."""
        tokens = self.step_time.prefill_tokens_within(budget_us, _load(running), context=0)
        return budget_us / min(max(tokens, 1), self.settings.max_chunk_tokens)

    def _chunks(self, jobs: Sequence[Job], decode: Sequence[Job], budget_us: int) -> tuple[Chunk, ...]:
        chunks: list[Chunk] = []
        load, used = _load(decode), 0
        for job in jobs:
            room = self.step_time.prefill_tokens_within(budget_us, load, job.computed_tokens) - used
            tokens = min(job.missing_tokens, room, self.settings.max_chunk_tokens - used)
            if tokens <= 0:
                break
            chunks.append(Chunk(job, tokens))
            used += tokens
        return tuple(chunks)


def _load(decode: Sequence[Job]) -> StepLoad:
    return StepLoad(len(decode), sum(job.computed_tokens for job in decode))
