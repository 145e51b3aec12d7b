"""Admission beside the queue's order: past a request that does not fit, and out of turn for an aged one."""

from dataclasses import dataclass, field

from superinfer.sched.state import SLOState


@dataclass(slots=True)
class SkipAhead:
    """The rules of one admission pass.

    SGLang stops at the first request that does not fit. Here the pass goes on past at most ``limit`` of them,
    and none is overtaken by more than ``max_passed`` requests over its whole wait: then it is a barrier, the
    memory drains, and it gets in.

    Attributes:
        limit: Refused requests a pass may go past.
        max_passed: Admissions a refused request tolerates.
    """

    limit: int
    max_passed: int
    _refused: list[SLOState] = field(default_factory=list)

    @property
    def blocked(self) -> bool:
        """Whether nothing further may be admitted in this pass."""
        return any(state.passed_over >= self.max_passed for state in self._refused)

    def refuse(self, state: SLOState) -> bool:
        """A request did not fit. Returns whether the pass may try the next one."""
        if len(self._refused) >= self.limit or state.passed_over >= self.max_passed:
            return False
        self._refused.append(state)
        return True

    def admit(self) -> None:
        """A request was admitted: everything refused in this pass has been overtaken once more."""
        for state in self._refused:
            state.passed_over += 1


@dataclass(slots=True)
class AgedLane:
    """Gives one admission in ``every`` to the request that has waited longest past its bound.

    Under lasting overload everything ages. If all of it went first, chat would wait behind yesterday's batch;
    with the lane, the ``k``-th aged request is admitted within ``k * every`` admissions, not counting those that
    come in one pass with the admission that opens it, and the others go by slack.
    """

    every: int
    _since: int = 0

    @property
    def open(self) -> bool:
        """Whether the next admission may be an aged request's."""
        return self._since + 1 >= self.every

    def admit(self, *, aged: bool) -> None:
        """A request was admitted, through the lane or not."""
        self._since = 0 if aged else self._since + 1
