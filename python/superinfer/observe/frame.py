"""One picture of what is going on: the state of the server, and what events add to it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from superinfer.observe.board import Board, attained
from superinfer.observe.events import Step
from superinfer.observe.phases import Phase
from superinfer.observe.server_state import ServerState

TENANTS_SHOWN = 10
_VERDICTS = ("met", "missed", "none", "aborted", "rejected")
_NOTHING = "–"


def frame(title: str, state: ServerState, board: Board | None) -> RenderableType:
    """Render one picture.

    Args:
        title: The first line.
        state: The server's own account.
        board: What events tell; ``None`` if nobody listens to them.
    """
    parts: list[RenderableType] = [Text(title, style="bold"), _queues(state, board), _classes(state, board)]
    if board is not None:
        parts += [_tenants(board), _decisions(board), _steps(list(board.steps))]
    return Group(*parts)


def _queues(state: ServerState, board: Board | None) -> Text:
    """Who is where, and for how long; the scheduler's events know more of it than the state."""
    summary = board.summary if board else None
    if summary is None:
        waited = [request.waited_ms for scheduler in state.told for request in scheduler.waiting]
        running = sum(scheduler.running_total for scheduler in state.told)
        waiting = sum(scheduler.waiting_total for scheduler in state.told)
        longest = _seconds(max(waited) * 1000) if waited else _NOTHING
        decode = " ".join(_millis(scheduler.cost.decode_step_us) for scheduler in state.told)
        return _lines({"running": running, "waiting": waiting}, {"longest wait": longest, "decode step": decode})
    longest = f"{_seconds(summary.longest_wait_us)} of {_seconds(summary.wait_bound_us)}"
    tiers = "/".join(map(str, summary.by_tier))
    return _lines(
        {"running": summary.running, "waiting": summary.waiting, "parked": summary.parked, "tiers": tiers},
        {"longest wait": longest, "decision": _millis(summary.decision_us)},
    )


def _classes(state: ServerState, board: Board | None) -> Table:
    table = _table("class", *(Phase if board else ()), *_VERDICTS, "attained")
    outcomes, phases = state.outcomes(), board.phases() if board else Counter()
    names = dict.fromkeys([*state.slo_classes, *outcomes, *(cls for cls, _ in phases)])
    for name in names:
        live = [str(phases[name, phase]) for phase in Phase] if board else []
        table.add_row(Text(name), *live, *_verdicts(outcomes.get(name, {})))
    return table


def _tenants(board: Board) -> Table:
    """The busiest tenants since the events began."""
    table = _table("tenant", "arrived", "tokens", *_VERDICTS, "attained")
    busiest = sorted(board.tenants.items(), key=lambda item: -item[1].arrived)
    for name, totals in busiest[:TENANTS_SHOWN]:
        table.add_row(Text(name or _NOTHING), str(totals.arrived), str(totals.tokens), *_verdicts(totals.outcomes))
    return table


def _decisions(board: Board) -> Text:
    return _lines(
        {"rotations": _counts(board.rotations), "promoted": board.promoted, "demoted": board.demoted},
        {"relegations": _counts(board.relegations), "gaps": board.gaps},
    )


def _steps(steps: Sequence[Step]) -> Text:
    if not steps:
        return _lines({"step": _NOTHING})
    latest, elapsed_us = steps[-1], sorted(step.elapsed_us for step in steps)
    median, longest = _millis(elapsed_us[len(elapsed_us) // 2]), _millis(elapsed_us[-1])
    return _lines(
        {"step": f"{median} median, {longest} longest of {len(elapsed_us)}"},
        {"rows": latest.rows, "KV tokens": latest.kv_tokens, "prefill tokens": latest.prefill_tokens},
    )


def _verdicts(outcomes: Mapping[str, int]) -> list[str]:
    share = attained(outcomes)
    counts = [str(outcomes.get(name, 0)) for name in _VERDICTS]
    return [*counts, _NOTHING if share is None else f"{share:.0%}"]


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(str(name), justify="right", no_wrap=True)
    return table


def _lines(*lines: Mapping[str, object]) -> Text:
    """Names and values side by side."""
    return Text("\n").join(
        Text("   ").join(Text.assemble((f"{name} ", "dim"), str(value)) for name, value in line.items())
        for line in lines
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "0"


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1e6:.1f} s"


def _millis(microseconds: float) -> str:
    return f"{microseconds / 1000:.1f} ms"
