"""What is going on, folded from events: pure, so that a test can replay any history."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from superinfer.observe.delivery import Delivery
from superinfer.observe.events import (
    Aborted,
    AnyEvent,
    Arrived,
    Demoted,
    Finished,
    PassSummary,
    Promoted,
    Rejected,
    Relegated,
    Rotated,
    Step,
)
from superinfer.observe.phases import PHASE_AFTER, Change, Ending, Phase

UNKNOWN = "?"
"""Class and tenant of requests that arrived before anybody watched."""

RECENT_STEPS = 128


@dataclass(slots=True)
class Live:
    """A request that has not ended.

    Attributes:
        phase: What it is doing.
        cls: Its class.
        tenant: Its tenant; empty if it names none.
    """

    phase: Phase
    cls: str = UNKNOWN
    tenant: str = UNKNOWN


@dataclass(slots=True)
class Totals:
    """What became of the requests of one class or tenant.

    Attributes:
        arrived: Requests that arrived.
        outcomes: ``met``, ``missed``, ``none``, ``aborted`` or ``rejected`` -> requests.
        tokens: Output tokens of those that finished.
    """

    arrived: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    tokens: int = 0


@dataclass(slots=True)
class Board:
    """State after the events so far.

    Attributes:
        live: Requests that have not ended.
        classes: Totals by class.
        tenants: Totals by tenant.
        rotations: Reason -> rotations.
        relegations: Obligation -> requests that gave it up.
        promoted: Moves to a faster tier.
        demoted: Moves to a slower tier.
        steps: The latest engine steps, oldest first.
        summary: The latest word of the scheduler on its queues.
        gaps: How often events were lost.
    """

    live: dict[str, Live] = field(default_factory=dict)
    classes: dict[str, Totals] = field(default_factory=dict)
    tenants: dict[str, Totals] = field(default_factory=dict)
    rotations: Counter[str] = field(default_factory=Counter)
    relegations: Counter[str] = field(default_factory=Counter)
    promoted: int = 0
    demoted: int = 0
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))
    summary: PassSummary | None = None
    gaps: int = 0

    def receive(self, delivery: Delivery) -> None:
        """Take in the next batch."""
        if delivery.gap is not None:
            self.gaps += 1
            self._forget()
        for event in delivery.batch.events:
            self.fold(event)

    def fold(self, event: AnyEvent) -> None:
        """Take in the next event."""
        match event:
            case Step():
                self.steps.append(event)
            case PassSummary():
                self.summary = event
            case Finished() | Aborted() | Rejected():
                self._end(event)
            case _:
                self._follow(event)
                self._count(event)

    def phases(self) -> Counter[tuple[str, Phase]]:
        """(class, phase) -> live requests."""
        return Counter((request.cls, request.phase) for request in self.live.values())

    def _forget(self) -> None:
        """Whoever is live may have ended unseen. Totals stay."""
        self.live.clear()
        self.summary = None

    def _follow(self, event: Change) -> None:
        """Move the request of ``event`` to the phase that it tells of, if it does."""
        phase = PHASE_AFTER.get(type(event))
        if phase is None:
            return
        request = self.live.setdefault(event.rid, Live(phase))
        request.phase = phase
        if isinstance(event, Arrived):
            request.cls, request.tenant = event.cls, event.tenant or ""

    def _count(self, event: Change) -> None:
        match event:
            case Arrived():
                for totals in self._totals(event.cls, event.tenant or ""):
                    totals.arrived += 1
            case Rotated():
                self.rotations[event.reason] += 1
            case Relegated():
                self.relegations[event.obligation] += 1
            case Promoted():
                self.promoted += 1
            case Demoted():
                self.demoted += 1

    def _end(self, event: Ending) -> None:
        request = self.live.pop(event.rid, None)
        cls, tenant = (request.cls, request.tenant) if request else (UNKNOWN, UNKNOWN)
        outcome: str
        match event:
            case Finished():
                outcome, tokens = event.outcome, event.tokens
            case Aborted():
                outcome, tokens = "aborted", 0
            case Rejected():
                outcome, tokens = "rejected", 0
        for totals in self._totals(cls, tenant):
            totals.outcomes[outcome] += 1
            totals.tokens += tokens

    def _totals(self, cls: str, tenant: str) -> tuple[Totals, Totals]:
        return self.classes.setdefault(cls, Totals()), self.tenants.setdefault(tenant, Totals())


def attained(outcomes: Mapping[str, int]) -> float | None:
    """Part of the promises that were kept, or ``None`` if none has come due."""
    met, missed = outcomes.get("met", 0), outcomes.get("missed", 0)
    return met / (met + missed) if met + missed else None
