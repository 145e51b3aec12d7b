"""One run of a program: what its executors share. Light: SGLang is not needed to hold one."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from superinfer.lang.errors import ProgramCancelled
from superinfer.lang.promise import NS_PER_MS, OnLate, Terms
from superinfer.lang.report import CallReport, SLOReport
from superinfer.slo import SLO

Clock = Callable[[], int]
"""A monotonic clock in ns."""


class Executor(Protocol):
    """What a program asks of its executors."""

    def end(self) -> None:
        """Take nothing more."""

    def drain(self) -> None:
        """Wait until everything taken is done or dropped."""

    def pending_error(self) -> BaseException | None:
        """The error that stopped it, unless the program has seen it already."""


@dataclass
class Call:
    """One ``gen`` or ``select`` under way."""

    name: str | None
    branch: str
    terms: Terms
    start_ns: int
    end_ns: int | None = None
    slo: SLO | None = None
    answers: list[Mapping[str, Any]] = field(default_factory=list)
    error: BaseException | None = None

    def report(self) -> CallReport:
        """Its state now."""
        took = None if self.end_ns is None else (self.end_ns - self.start_ns) / NS_PER_MS
        late = self.terms.is_late(self.start_ns)
        return CallReport(self.name, self.branch, self.slo or SLO(), late, took, tuple(self.answers), self.error)


class Program:
    """One run: its clock, its calls, its executors, and the way to cancel it.

    Args:
        slo: The program's SLO; its deadline is for the whole run.
        on_late: What calls do after the deadline.
        clock: Monotonic ns.
    """

    def __init__(self, slo: SLO, on_late: OnLate, clock: Clock) -> None:
        self.slo = slo
        self.on_late = on_late
        self.clock = clock
        self.cancelled = False
        self._start_ns = clock()
        self._end_ns: int | None = None
        self._calls: list[Call] = []
        self._executors: list[Executor] = []
        self._waiting: set[Future[Any]] = set()
        self._lock = threading.Lock()

    def begin(self) -> Terms:
        """Start the clock; gives the terms that hold in the program itself."""
        self._start_ns = self.clock()
        return Terms().within(self.slo, self._start_ns)

    def adopt(self, executor: Executor) -> None:
        """Count ``executor`` as part of this run, which ends when all of them have."""
        with self._lock:
            self._executors.append(executor)

    def open(self, name: str | None, branch: str, terms: Terms, now_ns: int) -> Call:
        """Note that a call begins.

        Raises:
            ProgramCancelled: It must not.
        """
        with self._lock:
            if self.cancelled:
                raise ProgramCancelled("the program was cancelled")
            call = Call(name, branch, terms, now_ns)
            self._calls.append(call)
        return call

    def wait(self, answer: "Future[Any]") -> Any:
        """The result of ``answer``, which is cancelled with this program.

        Raises:
            ProgramCancelled: It was.
        """
        with self._lock:
            if self.cancelled:
                answer.cancel()
            self._waiting.add(answer)
        try:
            return answer.result()
        except CancelledError:
            raise ProgramCancelled("the program was cancelled while it waited for an answer") from None
        finally:
            # Without effect on one that is done; Ctrl-C ends the wait before that.
            answer.cancel()
            with self._lock:
                self._waiting.discard(answer)

    def cancel(self) -> None:
        """Send nothing more, and give up what is being waited for. Never blocks."""
        with self._lock:
            self.cancelled = True
            waiting = tuple(self._waiting)
        for answer in waiting:
            answer.cancel()

    def finish(self) -> None:
        """Wait for everything the program started, forks that nobody joined included.

        Raises:
            Exception: The first error that the program's own code has not seen.
        """
        self.settle()
        executors = self._snapshot()
        for executor in executors:
            if error := executor.pending_error():
                raise error
        # Ended only now: whoever streams the text must not see its end before an error.
        self._close(executors)

    def abandon(self) -> None:
        """End at once: what is queued is dropped, what is being waited for is given up."""
        self.cancel()
        self._close(self._snapshot())

    def settle(self) -> None:
        """Wait until nothing that was appended so far is left to do."""
        for executor in self._snapshot():
            executor.drain()

    def report(self) -> SLOReport:
        """The calls so far."""
        end_ns = self.clock() if self._end_ns is None else self._end_ns
        with self._lock:
            calls = tuple(call.report() for call in self._calls)
        elapsed_ms = (end_ns - self._start_ns) / NS_PER_MS
        return SLOReport(calls, self.slo.deadline_ms, elapsed_ms, finished=self._end_ns is not None)

    def _close(self, executors: tuple[Executor, ...]) -> None:
        self._end_ns = self.clock()
        for executor in executors:
            executor.end()

    def _snapshot(self) -> tuple[Executor, ...]:
        with self._lock:
            return tuple(self._executors)
