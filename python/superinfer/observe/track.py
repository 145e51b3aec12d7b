"""One request as a track of a trace, in the JSON format of Chrome's trace events."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from superinfer.observe.events import Admitted, Arrived, Demoted, Finished, Promoted, Relegated, Resumed, Rotated
from superinfer.observe.life import Life
from superinfer.observe.phases import PHASE_AFTER, Change, Ending, Phase

REQUESTS: Final = 2
"""The process of the trace whose threads are requests."""

Json = dict[str, Any]


@dataclass(slots=True)
class Track:
    """Spans of one request inside a span for the whole of it, and marks where something was decided about it.

    Attributes:
        number: Of the track.
        rid: The request.
        life: Its spans.
    """

    number: int
    rid: str
    life: Life
    _name: str = "request"
    _details: Json = field(default_factory=dict)
    _marks: list[Json] = field(default_factory=list)

    def follow(self, event: Change) -> None:
        """The next event of a request that goes on."""
        self._live(event)
        match event:
            case Arrived():
                self._name = event.cls
                self._details |= {"tenant": event.tenant, "prompt_tokens": event.prompt_tokens}
            case Rotated():
                details = {"tier": event.tier, "generated": event.generated, "kv_tokens": event.kv_tokens}
                self._mark(event.at_us, f"rotated: {event.reason}", details)
            case Resumed():
                self._mark(event.at_us, "resumed", {"cached_tokens": event.cached_tokens})
            case Promoted():
                self._mark(event.at_us, f"promoted: {event.from_tier} to {event.to_tier}")
            case Demoted():
                self._mark(event.at_us, f"demoted: {event.from_tier} to {event.to_tier}")
            case Relegated():
                self._mark(event.at_us, f"relegated: {event.obligation}")

    def end(self, event: Ending) -> None:
        """The last event."""
        if isinstance(event, Finished):
            self.life.end(event.at_us, event.ttft_us)
            self._details |= {"outcome": event.outcome, "ttft_us": event.ttft_us, "tokens": event.tokens}
        else:
            self.life.end(event.at_us)
            self._mark(event.at_us, type(event).__name__.lower())

    def json(self) -> Iterator[Json]:
        """Its trace events, the enclosing span first."""
        yield named("thread_name", REQUESTS, self.number, self.rid)
        yield span(REQUESTS, self.number, self._name, self.life.opened_us, self.life.ended_us, self._details)
        for part in self.life.spans:
            yield span(REQUESTS, self.number, part.name, part.start_us, part.end_us)
        yield from self._marks

    def _live(self, event: Change) -> None:
        match event:
            case Arrived():
                self.life.arrived_us = event.at_us
            case Admitted():
                self.life.arrived_us = event.at_us - event.wait_us
                self.life.assume(Phase.WAITING, self.life.arrived_us)
            case Resumed():
                self.life.assume(Phase.PARKED, event.at_us - event.parked_us)
        phase = PHASE_AFTER.get(type(event))
        if phase is not None:
            self.life.enter(phase, event.at_us)

    def _mark(self, at_us: int, name: str, details: Json | None = None) -> None:
        self._marks.append(mark(REQUESTS, self.number, name, at_us, scope="t", details=details))


def span(process: int, track: int, name: str, start_us: int, end_us: int, details: Json | None = None) -> Json:
    """Something that takes time."""
    times = {"ts": start_us, "dur": end_us - start_us}
    return {"ph": "X", "pid": process, "tid": track, "name": name, **times, "args": details or {}}


def mark(process: int, track: int, name: str, at_us: int, *, scope: str, details: Json | None = None) -> Json:
    """A point in time; ``scope`` is ``t`` for a mark on its track, ``g`` for one across the whole trace."""
    return {"ph": "i", "pid": process, "tid": track, "name": name, "ts": at_us, "s": scope, "args": details or {}}


def named(kind: str, process: int, track: int, name: str) -> Json:
    """The name of a track (``thread_name``) or of a process (``process_name``)."""
    return {"ph": "M", "pid": process, "tid": track, "name": kind, "args": {"name": name}}
