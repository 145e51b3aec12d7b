"""Counts, per SLO class, what was promised and what was delivered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

COLUMNS = ("class", "done", "TTFT, s", "TPOT, ms", "missed", "attained", "prefix hit")


@dataclass(slots=True)
class Row:
    """One class."""

    sent: int = 0
    reports: list[Mapping[str, Any]] = field(default_factory=list)
    prompt_tokens: int = 0
    cached_tokens: int = 0


@dataclass(slots=True)
class Board:
    """Results so far."""

    rows: dict[str, Row] = field(default_factory=dict)

    def sent(self, cls: str, count: int = 1) -> None:
        """``count`` requests of a class are on their way."""
        self.rows.setdefault(cls, Row()).sent += count

    def done(self, report: Mapping[str, Any], prompt_tokens: int, cached_tokens: int) -> None:
        """A request ended; ``report`` is the server's verdict on it."""
        row = self.rows.setdefault(report["class"], Row())
        row.reports.append(report)
        row.prompt_tokens += prompt_tokens
        row.cached_tokens += cached_tokens

    def table(self, title: str) -> Table:
        """The board as a table."""
        table = Table(title=title, title_justify="left", caption="TTFT and TPOT: p50 / p99", caption_justify="left")
        for name in COLUMNS:
            table.add_column(name, justify="left" if name == "class" else "right", no_wrap=True)
        for cls, row in sorted(self.rows.items()):
            table.add_row(cls, *_cells(row))
        return table


def _cells(row: Row) -> list[str]:
    ttft = [report["ttft_ms"] for report in row.reports if report["ttft_ms"] is not None]
    tpot = [report["mean_tpot_ms"] for report in row.reports if report["mean_tpot_ms"] is not None]
    met = sum(report["outcome"] == "met" for report in row.reports)
    missed = sum(report["outcome"] == "missed" for report in row.reports)
    return [
        f"{len(row.reports)}/{max(row.sent, len(row.reports))}",
        f"{_seconds(percentile(ttft, 0.5))} / {_seconds(percentile(ttft, 0.99))}",
        f"{_whole(percentile(tpot, 0.5))} / {_whole(percentile(tpot, 0.99))}",
        f"[red]{missed}[/]" if missed else "0",
        f"{met / (met + missed):.0%}" if met + missed else "–",
        f"{row.cached_tokens / row.prompt_tokens:.0%}" if row.prompt_tokens else "–",
    ]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that ``share`` of ``values`` do not exceed (nearest rank)."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(int(share * len(ranked)), len(ranked) - 1)]


def _seconds(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.2f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
