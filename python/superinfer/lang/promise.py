"""What a call is promised: SLOs from several places become one, and deadlines become what is left of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from superinfer.lang.errors import DeadlineExceeded
from superinfer.slo import SLO, parse_slo

SLOLike = SLO | Mapping[str, Any] | str
"""An SLO, its wire form (``{"class": "interactive", "ttft_ms": 300}``), or the name of a class."""

OnLate = Literal["continue", "relax", "raise"]
"""What a call does when its program's deadline has passed: go on without that deadline, go on as class
``batch`` without any target, or raise ``DeadlineExceeded``."""

ON_LATE: Final = ("continue", "relax", "raise")
NS_PER_MS: Final = 1_000_000


def parse(slo: SLOLike | None) -> SLO:
    """An ``slo=`` argument as an SLO; ``None`` asks for nothing.

    Raises:
        SLOError: Not an SLO; the error names the field.
    """
    return SLO() if slo is None else parse_slo(slo)


def check_on_late(on_late: OnLate | None) -> OnLate | None:
    """``on_late`` itself, or ValueError if it is none of the three."""
    if on_late is not None and on_late not in ON_LATE:
        raise ValueError(f"on_late must be one of {', '.join(ON_LATE)}, not {on_late!r}")
    return on_late


def nearest(near: SLO, far: SLO) -> SLO:
    """Both as one, field by field: ``near`` where it says something, else ``far``.

    A deadline here is that of a whole program, a time to first token that of each call. They cannot contradict
    each other, as they would within one request: the shorter holds.
    """
    targets = _targets(near).with_defaults(_targets(far))
    return SLO(deadline_ms=near.deadline_ms or far.deadline_ms).with_defaults(targets)


@dataclass(frozen=True, slots=True)
class Budget:
    """One deadline.

    Attributes:
        start_ns: When it began to run, on the program's clock.
        deadline_ms: How long it runs.
    """

    start_ns: int
    deadline_ms: int

    def left_ms(self, now_ns: int) -> int:
        """Whole ms left, rounded down; below 1 is late. Integers throughout, so that 300 ms are 300 ms."""
        return (self.deadline_ms * NS_PER_MS - (now_ns - self.start_ns)) // NS_PER_MS


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds at one place in a program: the program itself, a branch of it, or one call.

    Attributes:
        targets: Everything but deadlines.
        budgets: The deadlines of this place and of all around it. Each tightens the others.
    """

    targets: SLO = field(default_factory=SLO)
    budgets: tuple[Budget, ...] = ()

    def within(self, slo: SLO, now_ns: int) -> "Terms":
        """The terms of a place inside this one that begins now and asks for ``slo``."""
        targets = _targets(slo).with_defaults(self.targets)
        if slo.deadline_ms is None:
            return Terms(targets, self.budgets)
        return Terms(targets, (*self.budgets, Budget(now_ns, slo.deadline_ms)))

    def is_late(self, now_ns: int) -> bool:
        """Whether any of the deadlines has passed."""
        return any(budget.left_ms(now_ns) < 1 for budget in self.budgets)

    def at(self, now_ns: int, on_late: OnLate) -> SLO:
        """The SLO of a request that is sent now: targets, and what is left of the tightest deadline.

        A deadline that has passed is left out (``continue``); those still ahead hold.

        Raises:
            DeadlineExceeded: A deadline has passed, and ``on_late`` is ``raise``.
        """
        left = {budget: budget.left_ms(now_ns) for budget in self.budgets}
        if self.is_late(now_ns):
            if on_late == "raise":
                latest = min(left, key=lambda budget: left[budget])
                raise DeadlineExceeded(latest.deadline_ms, -left[latest])
            if on_late == "relax":
                return SLO(cls="batch", kv=self.targets.kv, tenant=self.targets.tenant)
        ahead = [ms for ms in left.values() if ms >= 1]
        # The remainder may be shorter than the time to first token: then that is due at the deadline, too.
        return SLO(deadline_ms=min(ahead, default=None)).with_defaults(self.targets)


def _targets(slo: SLO) -> SLO:
    return replace(slo, deadline_ms=None)
