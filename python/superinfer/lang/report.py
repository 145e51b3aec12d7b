"""What a program was promised and what it got, call by call."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from superinfer.slo import SLO

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class CallReport:
    """One ``gen`` or ``select``.

    Attributes:
        name: The variable it filled; ``None`` if it had no name.
        branch: Where it ran: ``""`` in the program itself, ``"1"`` in the second branch of a fork, ``"1.0"`` in the
            first branch of a fork in there. A second fork in the same place counts on.
        slo: What was sent with it; empty if there was nothing to send, or no way to send it.
        late: Whether a deadline around it had passed when it began.
        elapsed_ms: How long it took as seen from here; ``None`` while it runs.
        answers: The server's ``meta_info`` for each of its requests: ``n`` answers for ``gen(n=...)``, several
            for a ``select``, none from a backend that gives no ``meta_info``.
        error: What it raised.
    """

    name: str | None
    branch: str
    slo: SLO
    late: bool
    elapsed_ms: float | None
    answers: tuple[Mapping[str, Any], ...]
    error: BaseException | None = None

    @property
    def results(self) -> tuple[Mapping[str, Any], ...]:
        """What the server reported on the SLO, one for each answer that carries a report."""
        return tuple(answer["slo"] for answer in self.answers if answer.get("slo"))

    @property
    def outcome(self) -> str:
        """``missed`` if any of its requests missed, else ``met`` if any met, else ``none``."""
        verdicts = {result.get("outcome") for result in self.results}
        return next((verdict for verdict in ("missed", "met") if verdict in verdicts), "none")

    @property
    def prompt_tokens(self) -> int:
        """Tokens of its prompts, cached ones included."""
        return self._total("prompt_tokens")

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens found in the server's cache."""
        return self._total("cached_tokens")

    def _total(self, key: str) -> int:
        return sum(answer.get(key) or 0 for answer in self.answers)


@dataclass(frozen=True, slots=True)
class SLOReport:
    """A program's promise and result. ``print`` shows it as a table.

    Attributes:
        calls: Every call, those of forks included, in the order they began.
        deadline_ms: The program's deadline, or ``None``.
        elapsed_ms: From the start of the program to its end, or to now while it runs.
        finished: Whether the program has ended.
    """

    calls: tuple[CallReport, ...]
    deadline_ms: int | None
    elapsed_ms: float
    finished: bool

    @property
    def outcome(self) -> str:
        """``met`` or ``missed``: the deadline of the program as a whole; ``none`` without one."""
        if self.deadline_ms is None:
            return "none"
        return "met" if self.elapsed_ms <= self.deadline_ms else "missed"

    @property
    def calls_met(self) -> int:
        """Calls that got what they were promised."""
        return sum(call.outcome == "met" for call in self.calls)

    @property
    def calls_missed(self) -> int:
        """Calls that did not."""
        return sum(call.outcome == "missed" for call in self.calls)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of all calls."""
        return sum(call.prompt_tokens for call in self.calls)

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens found in the server's cache."""
        return sum(call.cached_tokens for call in self.calls)

    @property
    def prefix_hits(self) -> int:
        """Calls that found a part of their prompt in the cache."""
        return sum(call.cached_tokens > 0 for call in self.calls)

    def __rich__(self) -> "Table":
        from rich.table import Table

        table = Table(title=self._title(), title_justify="left", caption=self._caption(), caption_justify="left")
        for heading in ("call", "promised", "outcome", "took", "prompt", "cached"):
            table.add_column(heading, justify="left" if heading in ("call", "promised", "outcome") else "right")
        for call in self.calls:
            table.add_row(*_cells(call))
        return table

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(file=io.StringIO(), width=110, color_system=None)
        with console.capture() as capture:
            console.print(self)
        return capture.get().rstrip()

    def _title(self) -> str:
        took = f"{self.elapsed_ms:.0f} ms" if self.finished else f"{self.elapsed_ms:.0f} ms so far"
        return took if self.deadline_ms is None else f"{took} of {self.deadline_ms} ms: {self.outcome}"

    def _caption(self) -> str:
        verdicts = f"calls met {self.calls_met}, missed {self.calls_missed}, of {len(self.calls)}"
        return f"{verdicts}; {self.cached_tokens} of {self.prompt_tokens} prompt tokens cached"


def _cells(call: CallReport) -> tuple[str, ...]:
    name = call.name or "-"
    promised = ", ".join(f"{field} {value}" for field, value in call.slo.to_dict().items()) or "-"
    outcome = type(call.error).__name__ if call.error else call.outcome
    return (
        f"{name} (fork {call.branch})" if call.branch else name,
        promised,
        f"{outcome}, late" if call.late else outcome,
        "running" if call.elapsed_ms is None else f"{call.elapsed_ms:.0f} ms",
        str(call.prompt_tokens),
        str(call.cached_tokens),
    )
