"""The rotating scheduler's policy: who computes in the next step, and who makes room."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from superinfer.sched.claim import AGED, DUE, REST, Claims
from superinfer.sched.columns import Bools, Columns, Ints, Reader
from superinfer.sched.feasible import first_to_go, late_jobs
from superinfer.sched.job import Job
from superinfer.sched.lending import borrower
from superinfer.sched.lengths import OutputLengths
from superinfer.sched.owed import Owed, owed
from superinfer.sched.plan import Chunk, Plan, Pool
from superinfer.sched.room import Room
from superinfer.sched.service import TenantService
from superinfer.sched.shares import TierShares
from superinfer.sched.sizing import LEAST_TOKENS, Sizing, decode_load
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sched.tiers import Tiers
from superinfer.sched.turn import times_left_us

CALM: Final = 4
"""Steps are so many times as long where nothing has been promised for as long as a request may wait: decoding beside
ever more prompts is what short steps cost, and nobody gains."""


@dataclass(frozen=True, slots=True)
class RotationSettings:
    """The operator's choices.

    Attributes:
        tiers: Slices and shares.
        max_step_us: Longest step, also where no stream asks for less: what an urgent newcomer may have to wait.
            ``CALM`` times that where nobody is promised anything.
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

    Prompts that can be computed in time go by when they are due, but for the first to arrive, as long as that makes no
    other late: neither short nor long ones wait longer than they need to. The longest is due when it would be done by
    arrival, as far as the others can spare that, so that it is not passed by ever more of them. One that can no longer
    be on time gets a step before them where all of them have much time to spare.

    Requests that owe nothing, or can no longer be on time, are a multi-level feedback queue within their class: a tier
    with shorter slices comes first, and a slower one when its share is due.

    **Waiting is bounded.** Of the requests that have had no service for W (``max_wait_us``), the one that waits longest
    goes to the front of the pass. It gets what memory it needs and at least ``LEAST_TOKENS``, and more as far as what
    is more important leaves it; only KV of others that are aged and half computed is not taken, but then these are
    served. So with N aged requests, itself among them, it waits at most W + (N + 1) * S without service, S being the
    longest step (``max_step_us`` or ``CALM`` times that, if streams are not many more than can be decoded in that
    time). It must fit into the pool.

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
    _shares: TierShares = field(init=False)
    _promised_us: int | None = None

    def __post_init__(self) -> None:
        self._shares = TierShares(self.settings.tiers.count)

    def admit(self, job: Job) -> None:
        """A request arrives: guess its length, choose its first tier."""
        slo = job.state.slo
        job.most_tokens = job.expected_tokens
        job.expected_tokens = self.lengths.predict(slo.cls, slo.tenant, job.prompt_tokens, at_most=job.most_tokens)
        job.tier = self.settings.tiers.entry(job.state.rank, self.step_time.prefill_us(job.uncached_tokens))

    def observe(self, load: StepLoad, elapsed_us: int) -> None:
        """A step was run."""
        self._reader.computed_tokens += load.prefill_tokens
        self.step_time.observe(load, elapsed_us)

    def finish(self, job: Job) -> None:
        """A request has produced its last token."""
        slo = job.state.slo
        if job.expected_tokens < job.most_tokens:  # it could have produced more
            self.lengths.judge(job.expected_tokens, job.generated)
        self.lengths.observe(slo.cls, slo.tenant, job.prompt_tokens, job.generated)
        self.service.serve(slo.tenant, job.prompt_tokens, job.generated)

    def calibration(self) -> dict[str, float]:
        """How far off predicted times are, and what part of the answers were as short as predicted."""
        return {
            "step_time_error": self.step_time.error,
            "prompt_time_error": self.step_time.prompt_error,
            "load_time_error": self.step_time.loads.error,
            "output_length_within": self.lengths.within,
        }

    def decide(self, now_us: int, jobs: Sequence[Job], pool: Pool) -> Plan:
        """Plan the next step.

        Args:
            now_us: The tick.
            jobs: Every request that is not finished, by arrival. Of those that neither run nor are in the middle of
                their prompt only ``phase``, ``computed_tokens`` and ``host_tokens`` may change between passes.
            pool: KV memory.
        """
        options = self.settings
        columns = self._reader.read(jobs, self.service)
        sizing = Sizing(self.step_time, self._longest_us(columns, now_us), options.max_chunk_tokens)
        running = decode_load(columns, columns.running.nonzero()[0])
        budget_us = sizing.budget_us(columns, running, now_us)
        claims = self._claims(columns, now_us, budget_us, sizing.token_us(running, budget_us))
        places = Room(options.tiers.slice_us, options.max_parked).make(claims, pool)
        chosen = claims.index[places.computing]
        decode = chosen[columns.running[chosen]]
        waiting = places.computing[columns.missing_tokens[chosen] > 0]
        bands = claims.band[waiting]
        left_over = _wanted_before_the_aged(columns, claims, waiting)
        at_least = 0 if len(decode) and (bands[:1] >= REST).all() else LEAST_TOKENS
        candidates = (jobs[index] for index in claims.index[waiting].tolist())
        prefill = tuple(sizing.chunks(candidates, decode_load(columns, decode), budget_us, at_least, left_over))
        self._charge(bands[: len(prefill)], prefill)
        parked = _jobs(jobs, claims.index[places.parked])
        return Plan(_jobs(jobs, decode), prefill, parked, park_reasons=places.reasons)

    def _longest_us(self, columns: Columns, now_us: int) -> int:
        if columns.promised:
            self._promised_us = now_us
        calm = self._promised_us is None or now_us - self._promised_us > self.settings.max_wait_us
        return self.settings.max_step_us * (CALM if calm else 1)

    def _claims(self, columns: Columns, now_us: int, step_us: int, token_us: float) -> Claims:
        owes = owed(columns, now_us, self.step_time, token_us)
        waits = columns.missing_tokens > 0
        first_due = owes.exists & waits
        can_be_met = owes.exists.copy()
        can_be_met[first_due] = ~late_jobs(now_us + owes.left_us[first_due], owes.estimate_us[first_due], now_us)
        tier = self.settings.tiers.move(columns.tier, replace(owes, exists=can_be_met), columns.slice_us)
        self._reader.move(tier)
        aged = ~columns.running & (now_us - columns.waiting_since_us > self.settings.max_wait_us)
        band = np.where(can_be_met, DUE, REST + columns.terms.rank)
        band[_eldest(columns, aged)] = AGED
        in_time = (waits & can_be_met).nonzero()[0]
        due = self._due(columns, owes, in_time, token_us)
        turn = self._turn(columns.terms.rank, tier, waits & (band >= REST))
        place = np.where(band == DUE, due, turn)
        lent = borrower(columns, owes, in_time, first_due & (band >= REST), step_us)
        if lent.size:
            place[lent], band[lent] = due.min() - 1, DUE
        return Claims.ordered(columns, band, place, aged)

    def _due(self, columns: Columns, owes: Owed, prompts: Ints, token_us: float) -> Ints:
        """Places of those that can be on time: streams by slack, prompts as the class says."""
        place = (owes.left_us - owes.estimate_us) // self.settings.bucket_us
        if len(prompts):
            left_us = times_left_us(columns, owes, prompts, token_us)
            place[prompts] = left_us // self.settings.bucket_us
            first = first_to_go(left_us, owes.estimate_us[prompts], columns.terms.seq[prompts])
            place[prompts[first]] = place.min() - 1
        return place

    def _turn(self, rank: Ints, tier: Ints, contending: Bools) -> Ints:
        """Of requests that owe nothing, those of the tier whose turn it is go first, the others by tier."""
        line = self._shares.line(rank, tier)
        first = np.zeros(line.max(initial=0) + 1, np.bool_)
        first[self._shares.turns(np.bincount(line[contending]).nonzero()[0].tolist())] = True
        return np.where(first[line], 0, 1 + tier)

    def _charge(self, band: Ints, prefill: Sequence[Chunk]) -> None:
        for chunk, of in zip(prefill, band.tolist(), strict=True):
            if of >= REST:
                self._shares.serve(self._shares.line(chunk.job.state.rank, chunk.job.tier), chunk.tokens)


def _eldest(columns: Columns, aged: Bools) -> Ints:
    """Of these, the index of the one that has waited longest, if there is one."""
    indices = aged.nonzero()[0]
    if not indices.size:
        return indices
    return indices[np.lexsort((columns.terms.seq[indices], columns.waiting_since_us[indices]))][:1]


def _wanted_before_the_aged(columns: Columns, claims: Claims, waiting: Ints) -> int:
    """Tokens that those want behind one that goes first by age who are as important or more, or can be on time.

    Of its own class, too: prompts that are computed in turn, a slice of each, all end when the last one does.
    """
    bands, indices = claims.band[waiting], claims.index[waiting]
    if not len(waiting) or bands[0] != AGED:
        return 0
    before = (bands <= REST + columns.terms.rank[indices[0]]) & (bands != AGED)
    return int(columns.missing_tokens[indices[before]].sum())


def _jobs(jobs: Sequence[Job], indices: Ints) -> tuple[Job, ...]:
    return tuple(jobs[index] for index in indices.tolist())
