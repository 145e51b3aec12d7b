"""What ``superinfer simulate`` prints and writes."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
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
    Console().print(table)


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
