"""The requests of a pass as columns: a decision is a few operations on arrays, not a loop over objects."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from superinfer.sched.job import NOT_IN_LINE, Job, Phase
from superinfer.sched.service import TenantService

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Whole = TypeVar("Whole", int, Ints)

NEVER: Final = 1 << 62
"""When something is due that is not owed."""

_LATEST: Final = 5
"""Rows of ``Reader._state`` that change while a request runs; then come its expected length and its tier."""

_UNKNOWN: Final = 255
"""The phase of a request that was not looked at yet: none."""

_BLOCK: Final = 64
"""Requests that are compared at once."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What never changes about a request; an entry per request.

    Attributes:
        seq: Arrival number.
        rank: Importance of its class, 0 first.
        prompt_tokens: Length of its prompt.
        first_due_us: When its first token is due, or ``NEVER``.
        last_due_us: When its last token is due, or ``NEVER``.
        tenant: Number of its tenant.
        pace_ms: Time per token; not a number where no pace is owed.
    """

    seq: Ints
    rank: Ints
    prompt_tokens: Ints
    first_due_us: Ints
    last_due_us: Ints
    tenant: Ints
    pace_ms: Floats


@dataclass(frozen=True, slots=True)
class Streams:
    """Requests with a pace that have sent a token; an entry per stream.

    Attributes:
        index: Where it stands among the requests of the pass.
        first_us: When its first token was sent.
        sent_us: How long what it has sent lasts at its pace.
        pace_us: Time per token at its pace.
    """

    index: Ints
    first_us: Ints
    sent_us: Floats
    pace_us: Floats


@dataclass(frozen=True, slots=True)
class Columns:
    """What a pass has to know: an entry per request, in the order in which they were given.

    Attributes:
        jobs: The requests.
        terms: What never changes about them.
        promised: Whether anybody is owed anything.
        tenant_place: Place of its tenant by the weighted tokens that it has had: the least first, equals alike.
        running: Whether it decodes.
        resident: Whether its KV is in the pool and counts.
        fixed: Whether it is resident and must not be taken out.
        tier: Rotation tier.
        slice_us: Engine time served since it was last admitted.
        waiting_since_us: Since when it has had no service.
        computed_tokens: Tokens whose KV is in the pool.
        missing_tokens: Tokens to compute or load before the next one can come.
        uncached_tokens: Tokens to compute before the next one can come.
        host_tokens: Tokens to load before the next one can come.
        remaining_tokens: Tokens still to be produced, as predicted; at least one.
        need_tokens: Tokens of KV it has after its next token, but for those elsewhere.
        turn_tokens: Prompt tokens still to be computed until it would be done, had all been served by arrival; below
            zero where that is past.
        started: Indices of those that have sent a token.
        streams: Those of them that have a pace.
    """

    jobs: Sequence[Job]
    terms: Terms
    promised: bool
    tenant_place: Ints
    running: Bools
    resident: Bools
    fixed: Bools
    tier: Ints
    slice_us: Ints
    waiting_since_us: Ints
    computed_tokens: Ints
    missing_tokens: Ints
    uncached_tokens: Ints
    host_tokens: Ints
    remaining_tokens: Ints
    need_tokens: Ints
    turn_tokens: Ints
    started: Ints
    streams: Streams


@dataclass(slots=True)
class Reader:
    """Reads requests into columns.

    What never changes about a request is read once, and so are its expected length and its tier, which only
    the policy changes. Of one that is outside the pool, and was at the last pass, only its
    KV is looked at again: nothing else changes while it waits.

    Attributes:
        computed_tokens: Prompt tokens that were computed so far, whoever's.
    """

    computed_tokens: int = 0
    _jobs: list[Job] = field(default_factory=list)
    _phase: Bytes = field(default_factory=lambda: np.empty(0, np.uint8))
    _terms: Ints = field(default_factory=lambda: np.empty((6, 0), np.int64))
    _pace_ms: Floats = field(default_factory=lambda: np.empty(0))
    _line_end: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _state: Ints = field(default_factory=lambda: np.empty((7, 0), np.int64))
    _tenants: dict[str | None, int] = field(default_factory=dict)
    _promised: bool = False

    def read(self, jobs: Sequence[Job], service: TenantService) -> Columns:
        """The present state of ``jobs`` and of what their tenants have had."""
        if self._jobs != (now := list(jobs)):
            self._line_up(now)
        phase = np.frombuffer(bytes([job.phase for job in jobs]), np.uint8)
        running = phase == Phase.RUNNING
        resident = running | (phase == Phase.PREFILL)
        self._refresh(jobs, (resident | (phase != self._phase)).nonzero()[0])
        self._phase = phase
        terms = self._columns_of_terms()
        generated, slice_us, waiting_since_us, first_us, sent, expected, tier = self._state
        computed = np.fromiter([job.computed_tokens for job in jobs], np.int64, len(jobs))
        host = _mostly_none([job.host_tokens for job in jobs])
        elsewhere = _mostly_none([job.elsewhere_tokens for job in jobs])
        context = terms.prompt_tokens + np.maximum(generated - 1, 0)
        missing = np.maximum(context - computed, 0)
        uncached = np.maximum(missing - host, 0)
        started = sent.nonzero()[0]
        streams = started[~np.isnan(terms.pace_ms[started])]
        pace_ms = terms.pace_ms[streams]
        return Columns(
            jobs,
            terms,
            promised=self._promised,
            tenant_place=self._tenant_places(service)[terms.tenant],
            running=running,
            resident=resident,
            fixed=_fixed(jobs, resident),
            tier=tier,
            slice_us=slice_us,
            waiting_since_us=waiting_since_us,
            computed_tokens=computed,
            missing_tokens=missing,
            uncached_tokens=uncached,
            host_tokens=np.minimum(missing, host),
            remaining_tokens=np.maximum(expected - generated, 1),
            need_tokens=np.maximum(context, computed) + 1 - elsewhere,
            turn_tokens=self._turn_tokens(uncached),
            started=started,
            streams=Streams(streams, first_us[streams], sent[streams] * pace_ms * 1000, pace_ms * 1000),
        )

    def move(self, tier: Ints) -> None:
        """Write the tiers of those that change theirs."""
        moved = (tier != self._state[-1]).nonzero()[0]
        for index, new in zip(moved.tolist(), tier[moved].tolist(), strict=True):
            self._jobs[index].tier = new
        self._state[-1] = tier

    def _turn_tokens(self, uncached: Ints) -> Ints:
        """Newcomers go to the end of the line, behind all that is still to be computed."""
        new = (self._line_end == NOT_IN_LINE).nonzero()[0]
        if new.size:
            theirs = uncached[new]
            before = self.computed_tokens + int(uncached.sum()) - int(theirs.sum())
            self._line_end[new] = before + theirs.cumsum()
            for index in new.tolist():
                self._jobs[index].line_end_tokens = int(self._line_end[index])
        return self._line_end - self.computed_tokens

    def _refresh(self, jobs: Sequence[Job], indices: Ints) -> None:
        some = [jobs[index] for index in indices.tolist()]
        lines = [job.state.timeline for job in some]
        # One flat list becomes an array in a third of the time that nested ones take.
        values = [job.generated for job in some]
        values += [job.slice_us for job in some]
        values += [job.waiting_since_us for job in some]
        values += [line.first_us or 0 for line in lines]
        values += [line.tokens for line in lines]
        self._state[:_LATEST, indices] = np.fromiter(values, np.int64, len(values)).reshape(_LATEST, -1)

    def _line_up(self, jobs: list[Job]) -> None:
        """Keep what is known of those that are still there, in the order of ``jobs``, and learn the terms of others."""
        if outnumbered := len(self._tenants) > 2 * len(jobs):
            self._tenants.clear()
        stay = np.empty(0, np.int64) if outnumbered else _still_there(self._jobs, jobs)
        new = jobs[len(stay) :]
        terms = np.array([self._terms_of(job) for job in new], np.int64).reshape(-1, 6)
        paces_ms = [job.state.slo.pace_ms for job in new]
        self._terms = np.concatenate([self._terms.take(stay, 1), terms.T], axis=1)
        self._pace_ms = np.concatenate([self._pace_ms[stay], [np.nan if ms is None else ms for ms in paces_ms]])
        self._line_end = np.concatenate([self._line_end[stay], [job.line_end_tokens for job in new]]).astype(np.int64)
        state = np.zeros((7, len(new)), np.int64)
        state[_LATEST:] = [job.expected_tokens for job in new], [job.tier for job in new]
        self._state = np.concatenate([self._state.take(stay, 1), state], axis=1)
        self._phase = np.concatenate([self._phase[stay], np.full(len(new), _UNKNOWN, np.uint8)])
        self._jobs = jobs
        due = (self._terms[3] != NEVER) | (self._terms[4] != NEVER) | ~np.isnan(self._pace_ms)
        self._promised = bool(due.any())

    def _tenant_places(self, service: TenantService) -> Ints:
        served = [service.served(name) for name in self._tenants]
        place = {tokens: place for place, tokens in enumerate(sorted(set(served)))}
        return np.array([place[tokens] for tokens in served], np.int64)

    def _terms_of(self, job: Job) -> tuple[int, ...]:
        state = job.state
        tenant = self._tenants.setdefault(state.slo.tenant, len(self._tenants))
        due = (NEVER if us is None else us for us in (state.first_due_us, state.last_due_us))
        return state.seq, state.rank, job.prompt_tokens, *due, tenant

    def _columns_of_terms(self) -> Terms:
        seq, rank, prompt_tokens, first_due_us, last_due_us, tenant = self._terms
        return Terms(seq, rank, prompt_tokens, first_due_us, last_due_us, tenant, self._pace_ms)


def _still_there(before: list[Job], now: list[Job]) -> Ints:
    """Which of the requests before are there now: new ones come at the end, and they go from anywhere.

    One walk along both finds those that are gone, in blocks where nobody is.
    """
    row, count, stay = 0, 0, np.ones(len(before), np.bool_)
    while row < len(before):
        if before[row : row + _BLOCK] == now[count : count + _BLOCK]:
            row, count = row + _BLOCK, count + _BLOCK
            continue
        for job in before[row : row + _BLOCK]:
            if count < len(now) and now[count] is job:
                count += 1
            else:
                stay[row] = False
            row += 1
    return stay.nonzero()[0]


def _mostly_none(values: list[int]) -> Ints:
    """These as a column; where all are 0, in a third of the time."""
    return np.fromiter(values, np.int64, len(values)) if any(values) else np.zeros(len(values), np.int64)


def _fixed(jobs: Sequence[Job], resident: Bools) -> Bools:
    fixed = np.zeros(len(jobs), np.bool_)
    indices = resident.nonzero()[0]
    fixed[indices] = [jobs[index].fixed for index in indices.tolist()]
    return fixed
