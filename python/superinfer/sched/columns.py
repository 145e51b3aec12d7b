"""The requests of a pass as columns: a decision is a few operations on arrays, not a loop over objects."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from superinfer.sched.job import Job, Phase
from superinfer.sched.service import TenantService

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Whole = TypeVar("Whole", int, Ints)

NEVER: Final = 1 << 62
"""When something is due that is not owed."""


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
        tenant_served: Weighted tokens that the tenant has had.
        running: Whether it decodes.
        resident: Whether its KV is in the pool and counts.
        tier: Rotation tier.
        slice_us: Engine time served since it was last admitted.
        waiting_since_us: Since when it has had no service.
        computed_tokens: Tokens whose KV is in the pool.
        missing_tokens: Tokens to compute or load before the next one can come.
        uncached_tokens: Tokens to compute before the next one can come.
        remaining_tokens: Tokens still to be produced, as predicted; at least one.
        need_tokens: Tokens of KV it has after its next token.
        started: Indices of those that have sent a token.
        streams: Those of them that have a pace.
    """

    jobs: Sequence[Job]
    terms: Terms
    tenant_served: Floats
    running: Bools
    resident: Bools
    tier: Ints
    slice_us: Ints
    waiting_since_us: Ints
    computed_tokens: Ints
    missing_tokens: Ints
    uncached_tokens: Ints
    remaining_tokens: Ints
    need_tokens: Ints
    started: Ints
    streams: Streams


@dataclass(slots=True)
class Reader:
    """Reads requests into columns: what never changes about them once, everything else in each pass."""

    _jobs: list[Job] = field(default_factory=list)
    _whole: Ints = field(default_factory=lambda: np.empty((6, 0), np.int64))
    _pace_ms: Floats = field(default_factory=lambda: np.empty(0))
    _tenants: dict[str | None, int] = field(default_factory=dict)

    def read(self, jobs: Sequence[Job], service: TenantService) -> Columns:
        """The present state of ``jobs`` and of what their tenants have had."""
        if self._jobs != list(jobs):
            self._learn(jobs)
        seq, rank, prompt, first_due_us, last_due_us, tenant = self._whole
        terms = Terms(seq, rank, prompt, first_due_us, last_due_us, tenant, self._pace_ms)
        # Reading slots in list comprehensions is the fastest way from objects to arrays.
        # Members of an enumeration are told apart by where they are.
        phase = np.fromiter(map(id, [job.phase for job in jobs]), np.int64, len(jobs))
        running = phase == id(Phase.RUNNING)
        computed, generated = _ints([job.computed_tokens for job in jobs]), _ints([job.generated for job in jobs])
        context = terms.prompt_tokens + np.maximum(generated - 1, 0)
        missing = np.maximum(context - computed, 0)
        started = [index for index in np.flatnonzero(generated).tolist() if jobs[index].state.timeline.tokens]
        return Columns(
            jobs,
            terms,
            tenant_served=np.array([service.served(name) for name in self._tenants])[terms.tenant],
            running=running,
            resident=running | (phase == id(Phase.PREFILL)),
            tier=_ints([job.tier for job in jobs]),
            slice_us=_ints([job.slice_us for job in jobs]),
            waiting_since_us=_ints([job.waiting_since_us for job in jobs]),
            computed_tokens=computed,
            missing_tokens=missing,
            uncached_tokens=np.maximum(missing - _ints([job.host_tokens for job in jobs]), 0),
            remaining_tokens=np.maximum(_ints([job.expected_tokens for job in jobs]) - generated, 1),
            need_tokens=np.maximum(context, computed) + 1,
            started=_ints(started),
            streams=_streams(jobs, _ints(started), terms.pace_ms),
        )

    def _learn(self, jobs: Sequence[Job]) -> None:
        """Line the terms up with ``jobs``, some of which are new."""
        if outnumbered := len(self._tenants) > 2 * len(jobs):
            self._tenants.clear()
        # Requests come at the end and go from anywhere: one walk along both lists finds those that are gone.
        stay, gone = 0, []
        for row, job in enumerate(self._jobs):
            if not outnumbered and stay < len(jobs) and jobs[stay] is job:
                stay += 1
            else:
                gone.append(row)
        new = [self._terms_of(job) for job in jobs[stay:]]
        whole = np.array([numbers for *numbers, _ in new], np.int64).reshape(-1, 6)
        self._whole = np.hstack([np.delete(self._whole, gone, axis=1), whole.T])
        self._pace_ms = np.hstack([np.delete(self._pace_ms, gone), [pace_ms for *_, pace_ms in new]])
        self._jobs = list(jobs)

    def _terms_of(self, job: Job) -> tuple[float, ...]:
        """The columns of ``Terms``, in their order."""
        state = job.state
        tenant = self._tenants.setdefault(state.slo.tenant, len(self._tenants))
        due = (NEVER if us is None else us for us in (state.first_due_us, state.last_due_us))
        pace_ms = state.slo.pace_ms
        return state.seq, state.rank, job.prompt_tokens, *due, tenant, np.nan if pace_ms is None else pace_ms


def _streams(jobs: Sequence[Job], started: Ints, pace_ms: Floats) -> Streams:
    index = started[~np.isnan(pace_ms[started])]
    lines = [jobs[i].state.timeline for i in index.tolist()]
    first_us = np.array([line.first_us for line in lines], np.int64)
    sent = _ints([line.tokens for line in lines])
    return Streams(index, first_us, sent * pace_ms[index] * 1000, pace_ms[index] * 1000)


def _ints(values: list[int]) -> Ints:
    return np.fromiter(values, np.int64, len(values))
