"""What ``superinfer simulate`` prints and writes."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from superinfer.sim.sweep import Point

COLUMNS = (
    "policy",
    "load",
    "seed",
    "class",
    "sent",
    "met",
    "share",
    "goodput_per_s",
    "ttft_p50_ms",
    "ttft_p99_ms",
    "e2e_p99_ms",
    "norm_p99",
    "tokens_per_s",
    "rotations",
)
"""Of the CSV file: the figures of a class; the last two are those of the whole run."""


def console() -> Console:
    """Where tables go; in a file, lines are not cut at the width of a terminal."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=160)


def show(points: Sequence[Point]) -> None:
    """Print a table, with loads and seeds where there are several."""
    several = not _single(points)
    table = Table("policy", *(("load", "seed") if several else ()), "class", "sent", "met", "TTFT p50 ms")
    for header in ("TTFT p99 ms", "norm p99", "tokens/s", "rotations"):
        table.add_column(header)
    for row in rows(points):
        table.add_row(
            row["policy"],
            *((f"{row['load']:g}", str(row["seed"])) if several else ()),
            row["class"],
            str(row["sent"]),
            f"{100 * row['share']:.1f} %",
            f"{row['ttft_p50_ms']:.0f}",
            f"{row['ttft_p99_ms']:.0f}",
            f"{row['norm_p99']:.2f}",
            f"{row['tokens_per_s']:.0f}",
            str(row["rotations"]),
        )
    console().print(table)


def show_bands(points: Sequence[Point]) -> None:
    """Print the 99th percentile of the first token by prompt length, a column per policy.

    Of several seeds, the mean, over those in which requests of that length were finished.
    """
    policies = list(dict.fromkeys(point.policy for point in points))
    table = Table("load", "class", "prompt tokens", "sent", *(f"{name}, TTFT p99 ms" for name in policies))
    for (load, of, low), bands in _by_band(points).items():
        sent = sum(band["sent"] for band in bands[policies[0]])
        high = bands[policies[0]][0]["prompt_tokens_up_to"]
        times = (mean(band["ttft_p99_ms"] for band in bands[name]) for name in policies)
        span = f"{low + 1} to {high}" if high else f"above {low}"
        table.add_row(f"{load:g}", of, span, str(sent), *(f"{time:.0f}" for time in times))
    console().print(table)


def _by_band(points: Sequence[Point]) -> dict[tuple[float, str, int], dict[str, list[dict[str, Any]]]]:
    """Figures of the bands that are not empty, by load, class and lower end, then by policy; one per seed."""
    found: dict[tuple[float, str, int], dict[str, list[dict[str, Any]]]] = {}
    for point in points:
        for of, figures in point.figures["classes"].items():
            for band in figures["ttft_by_prompt"]:
                if band["sent"]:
                    key = point.load, of, band["prompt_tokens_above"]
                    found.setdefault(key, {}).setdefault(point.policy, []).append(band)
    return found


def rows(points: Sequence[Point]) -> Iterator[dict[str, Any]]:
    """A flat row per policy, load, seed and class, with the keys of ``COLUMNS``."""
    for point in points:
        run = {"policy": point.policy, "load": point.load, "seed": point.seed}
        whole = {"tokens_per_s": point.figures["tokens_per_s"], "rotations": point.figures["totals"]["rotations"]}
        for name, figures in point.figures["classes"].items():
            row = {**figures, **run, **whole, "class": name}
            yield {column: row[column] for column in COLUMNS}


def nested(points: Sequence[Point]) -> dict[str, Any]:
    """``{policy: figures}`` of one load and one seed, else ``{policy: {load: {seed: figures}}}``."""
    if _single(points):
        return {point.policy: point.figures for point in points}
    result: dict[str, Any] = {}
    for point in points:
        result.setdefault(point.policy, {}).setdefault(f"{point.load:g}", {})[str(point.seed)] = point.figures
    return result


def write_json(points: Sequence[Point], path: Path) -> None:
    """Write all figures as JSON, in the shape of ``nested``."""
    path.write_text(json.dumps(nested(points), indent=2) + "\n")


def write_csv(points: Sequence[Point], path: Path) -> None:
    """Write ``rows`` as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows(points))


def _single(points: Sequence[Point]) -> bool:
    return len({(point.load, point.seed) for point in points}) <= 1
