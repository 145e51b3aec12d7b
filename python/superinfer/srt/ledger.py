"""The scheduler process's book of promises: states of live requests, outcomes of finished ones."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, Protocol

from superinfer.sched import SLOState
from superinfer.slo import SLOPolicy, parse_lenient
from superinfer.srt.clock import ARRIVAL_KEY, TickClock

Early = Literal["aborted", "rejected"]
"""How a request can end before its answer does."""


class Observer(Protocol):
    """Hears of every outcome; the Prometheus metrics are one."""

    def first_token(self, state: SLOState) -> None:
        """The first token of ``state`` was just sent."""

    def finished(self, state: SLOState, outcome: str) -> None:
        """``state`` ended as ``met``, ``missed``, ``none``, ``aborted`` or ``rejected``."""


class Ledger:
    """Attaches an ``SLOState`` to each request and keeps count of how it ended."""

    def __init__(self, policy: SLOPolicy, clock: TickClock) -> None:
        self._policy = policy
        self._clock = clock
        self._next_seq = 0
        self.observer: Observer | None = None
        self.on_close: Callable[[Any, Early | None], None] | None = None
        """Called with SGLang's request, and how it ended if that was early."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """(class, outcome) -> requests."""

    def state_of(self, req: Any) -> SLOState:
        """The state of SGLang's ``req``; attached on first sight, which is its arrival."""
        state = getattr(req, "slo_state", None)
        if state is None:
            state = req.slo_state = self._open(req)
        return state

    def sent(self, req: Any) -> None:
        """The tokens ``req`` has by now are on their way to the client."""
        state = self.state_of(req)
        first = state.timeline.first_us is None
        state.timeline.record(len(req.output_ids), self._clock.stamp_us())
        if first and state.timeline.first_us is not None and self.observer:
            self.observer.first_token(state)

    def close(self, req: Any, early: Early | None = None) -> dict[str, object] | None:
        """``req`` ended. Returns the report for its client, or ``None`` if it ended early."""
        state = self.state_of(req)
        if self.on_close:
            self.on_close(req, early)
        if early is None:
            state.timeline.close(self._clock.stamp_us())
        outcome = state.outcome()
        verdict = early or outcome.verdict
        if not is_internal(req):
            self.outcomes[(state.slo.cls or self._policy.classes.default, verdict)] += 1
            if self.observer:
                self.observer.finished(state, verdict)
        if early:
            return None
        pinned = getattr(req, "cache_pinned", None)
        return outcome.to_dict() if pinned is None else {**outcome.to_dict(), "pinned": pinned}

    def _open(self, req: Any) -> SLOState:
        told = req.sampling_params.custom_params
        slo = parse_lenient(told)
        classes = self._policy.classes
        self._next_seq += 1
        return SLOState(
            slo=slo if slo.cls else classes.resolve(slo),
            rank=classes.rank(slo.cls),
            seq=self._next_seq,
            arrival_us=self._clock.arrival_us((told or {}).get(ARRIVAL_KEY)),
        )


def is_internal(req: Any) -> bool:
    """Whether ``req`` is a probe, or SGLang warming its cache for a request's parallel samples."""
    warms_cache = req.sampling_params.max_new_tokens == 0 and not req.return_logprob
    return warms_cache or str(req.rid).startswith("HEALTH_CHECK")
