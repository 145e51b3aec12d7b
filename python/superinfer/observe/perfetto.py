"""Events as a trace for Perfetto (ui.perfetto.dev), in the JSON format of Chrome's trace events."""

from collections.abc import Iterable
from typing import Final

from superinfer.observe.delivery import Delivery
from superinfer.observe.events import Aborted, AnyEvent, Finished, PassSummary, Rejected, Step
from superinfer.observe.life import Life
from superinfer.observe.phases import Change, Ending
from superinfer.observe.track import REQUESTS, Json, Track, mark, named, span

ENGINE: Final = 1
"""The process of the trace that has the engine's steps, and the counters."""


class Trace:
    """A trace under way. Feed it, then take ``json`` once."""

    def __init__(self) -> None:
        self._out: list[Json] = [
            named("process_name", ENGINE, 0, "engine"),
            named("thread_name", ENGINE, 0, "steps"),
            named("process_name", REQUESTS, 0, "requests"),
        ]
        self._live: dict[str, Track] = {}
        self._tracks = 0
        self._last_us = 0
        self._step_end_us = 0

    def add(self, event: AnyEvent) -> None:
        """The next event."""
        self._last_us = max(self._last_us, event.at_us)
        match event:
            case Step():
                self._step(event)
            case PassSummary():
                queues = {"running": event.running, "waiting": event.waiting, "parked": event.parked}
                self._counter("requests", event.at_us, queues)
            case Finished() | Aborted() | Rejected():
                self._end(event)
            case _:
                self._track(event).follow(event)

    def lost(self, at_us: int) -> None:
        """Events are missing before ``at_us``. What was live may have changed: its spans end with the last event."""
        self._out.append(mark(ENGINE, 0, "events lost", at_us, scope="g"))
        self._close_all()

    def json(self) -> Json:
        """The whole trace; requests that have not ended reach to the last event."""
        self._close_all()
        return {"traceEvents": self._out, "displayTimeUnit": "ms"}

    def _track(self, event: Change | Ending) -> Track:
        track = self._live.get(event.rid)
        if track is None:
            self._tracks += 1
            track = self._live[event.rid] = Track(self._tracks, event.rid, Life(event.at_us))
        return track

    def _end(self, event: Ending) -> None:
        track = self._track(event)
        track.end(event)
        self._out += track.json()
        del self._live[event.rid]

    def _close_all(self) -> None:
        for track in self._live.values():
            track.life.end(self._last_us)
            self._out += track.json()
        self._live.clear()

    def _step(self, step: Step) -> None:
        start_us = max(step.at_us - step.elapsed_us, self._step_end_us)
        self._step_end_us = max(start_us, step.at_us)
        details = {"rows": step.rows, "prefill_tokens": step.prefill_tokens}
        self._out.append(
            span(ENGINE, 0, "prefill" if step.prefill_tokens else "decode", start_us, self._step_end_us, details)
        )
        self._counter("batch rows", start_us, {"rows": step.rows})
        self._counter("KV tokens", start_us, {"tokens": step.kv_tokens})

    def _counter(self, name: str, at_us: int, values: dict[str, int]) -> None:
        self._out.append({"ph": "C", "pid": ENGINE, "name": name, "ts": at_us, "args": values})


def trace_of(deliveries: Iterable[Delivery]) -> Json:
    """The trace of everything delivered."""
    trace = Trace()
    for delivery in deliveries:
        events = delivery.batch.events
        if delivery.gap is not None:
            trace.lost(events[0].at_us if events else delivery.batch.at_us)
        for event in events:
            trace.add(event)
    return trace.json()
