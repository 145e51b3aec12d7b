"""The picture of ``superinfer simulate``; needs the extra ``plot``."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from statistics import mean
from typing import Any

from superinfer.cli.errors import UserError
from superinfer.cli.picture import picture
from superinfer.sim.sweep import Point

SUFFIXES = (".svg", ".png")
DASHES = ("-", "--", ":", "-.")
"""Of the classes, by name."""


def check_plot(path: Path) -> None:
    """Make sure that ``plot`` can draw to ``path``.

    Raises:
        UserError: Another suffix, or matplotlib is missing.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"--plot {path}: the suffix of a picture is {' or '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise UserError("--plot needs matplotlib: pip install 'superinfer[plot]'")


def plot(points: Sequence[Point], path: Path) -> None:
    """Draw goodput and attainment against load, and the distributions of latencies at the highest load.

    Raises:
        OSError: The file cannot be written.
    """
    with picture(path, 2, 2, (10, 7)) as axes:
        for index, policy in enumerate(dict.fromkeys(point.policy for point in points)):
            own = [point for point in points if point.policy == policy]
            _draw_against_load(axes[0, 0], axes[0, 1], own, f"C{index}")
            _draw_distributions(axes[1, 0], axes[1, 1], own, f"C{index}")
        _label(axes, max(point.load for point in points))


def goodput_per_s(point: Point) -> float:
    """Requests per second that met their SLO, all classes together."""
    return sum(float(figures["goodput_per_s"]) for figures in point.figures["classes"].values())


def by_load(points: Iterable[Point], value: Callable[[Point], float]) -> list[tuple[float, float]]:
    """Load factors, ascending, and the mean of ``value`` over the seeds of each."""
    values: dict[float, list[float]] = {}
    for point in points:
        values.setdefault(point.load, []).append(value(point))
    return [(load, mean(values[load])) for load in sorted(values)]


def distribution(values: Sequence[float], of: int) -> tuple[list[float], list[float]]:
    """Ascending values, and which part of ``of`` requests is at or below each: what never ended is above all."""
    ordered = sorted(values)
    return ordered, [(index + 1) / of for index in range(len(ordered))]


def _draw_against_load(goodput: Any, attainment: Any, points: Sequence[Point], colour: str) -> None:
    goodput.plot(*zip(*by_load(points, goodput_per_s), strict=True), "o-", color=colour, label=points[0].policy)
    names = sorted({name for point in points for name in point.figures["classes"]})
    for name, dash in zip(names, cycle(DASHES), strict=False):
        shares = by_load(points, partial(_share_percent, name))
        label = f"{points[0].policy}, {name}"
        attainment.plot(*zip(*shares, strict=True), "o" + dash, color=colour, markersize=3, label=label)


def _share_percent(name: str, point: Point) -> float:
    # At a low load, nobody of a rare class may have come.
    figures = point.figures["classes"].get(name)
    return 100 * float(figures["share"]) if figures else 100.0


def _draw_distributions(ttft: Any, over_target: Any, points: Sequence[Point], colour: str) -> None:
    highest = max(point.load for point in points)
    own = [point for point in points if point.load == highest]
    promised = sum(point.promised for point in own)
    ttfts = [value / 1000 for point in own for value in point.ttft_ms]
    ttft.plot(*distribution(ttfts, promised), color=colour)
    over_target.plot(*distribution([value for point in own for value in point.over_target], promised), color=colour)


def _label(axes: Any, highest: float) -> None:
    titles = {
        (0, 0): ("requests per second that met their SLO", "load factor"),
        (0, 1): ("attained, % of the requests sent", "load factor"),
        (1, 0): (f"time to first token at load {highest:g}, part of the promised", "s"),
        (1, 1): (f"latency over target at load {highest:g}, part of the promised", "worst of latency over target"),
    }
    for place, (title, below) in titles.items():
        axes[place].set_title(title, fontsize=10, loc="left")
        axes[place].set_xlabel(below, fontsize=9)
        axes[place].spines[["top", "right"]].set_visible(False)
    for place in ((1, 0), (1, 1)):
        axes[place].set_xscale("log", base=2)
        axes[place].xaxis.set_major_formatter("{x:g}")
        axes[place].set_ylim(0, 1.01)
    axes[1, 1].axvline(1.0, color="grey", linewidth=0.8)
    axes[0, 0].legend(frameon=False, fontsize=8)
    axes[0, 1].legend(frameon=False, fontsize=7, handlelength=4)
