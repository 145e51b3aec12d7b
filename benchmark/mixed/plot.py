"""Figures over the load, a line per system; needs the extra ``plot``."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.mixed.loads import FACTORS
from superinfer.cli.picture import picture

_PANELS = {
    "attainment": "share of chat and agents on time",
    "chat_p99_ms": "chat, time to last token, p99, ms",
    "tokens_per_s": "tokens/s, prompts included",
}
_COLOURS = ("#0b7285", "#74c0fc", "#adb5bd", "#e8590c", "#f2c48d", "#495057")


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Write one panel per figure: medians over the seeds, bars from the least to the greatest."""
    with picture(file, len(_PANELS), 1, (8, 2.8 * len(_PANELS))) as panels:
        axes = panels[:, 0]
        for axis, (name, title) in zip(axes, _PANELS.items(), strict=True):
            for (system, points), colour in zip(series(result, name).items(), _COLOURS, strict=False):
                loads, middle, down, up = zip(*points, strict=True)
                axis.errorbar(loads, middle, yerr=[down, up], color=colour, label=system, marker="o", ms=3, capsize=2)
            axis.set_title(title, fontsize=10, loc="left")
            axis.spines[["top", "right"]].set_visible(False)
        axes[1].set_yscale("log")
        axes[-1].set_xlabel("load, 1 is the knee")
        axes[0].legend(frameon=False, fontsize=8)


def series(result: Mapping[str, Any], figure: str) -> dict[str, list[tuple[float, float, float, float]]]:
    """System -> load, median, and the distances from it down to the least and up to the greatest."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for point, factor in FACTORS.items():
        by_system: dict[str, list[float]] = {}
        for run in result["runs"]:
            if run["point"] == point and figure in run["figures"]:
                by_system.setdefault(run["system"], []).append(run["figures"][figure])
        for system, values in by_system.items():
            middle = median(values)
            found.setdefault(system, []).append((factor, middle, middle - min(values), max(values) - middle))
    return found
