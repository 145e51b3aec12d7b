"""``python -m benchmark.mixed``: chat and agents beside documents, at several loads, on each system in turn."""

import argparse
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmark import ending
from benchmark.arguments import subset
from benchmark.engine import machine
from benchmark.engine.client import EngineError
from benchmark.engine.engines import MissingEngineError, Setting
from benchmark.engine.launch import console
from benchmark.engine.servers import Server, free_port, running
from benchmark.mixed.figures import FIGURES, figures
from benchmark.mixed.knee import KneeError, find_knee
from benchmark.mixed.loads import FACTORS, POINTS, QUICK_POINTS, Load, Targets
from benchmark.mixed.serve import serve
from benchmark.mixed.systems import DEFAULT, QUICK_SYSTEMS, SYSTEMS
from superinfer.models import ensure_default_model

KNEE = {"chats": 3.2, "agents": 0.5, "documents": 1.6}
"""A second at the knee of first come, first served on our kernels and two cores of a Xeon with AMX."""

WARM_UP = Load(chats_per_s=1.0, agents_per_s=0.3, documents_per_s=0.5, seconds=4.0)


@dataclass(frozen=True, slots=True)
class Run:
    """One load on one system, once."""

    system: str
    point: str
    seed: int
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Trial:
    """A load that was tried on the way to the knee: how many times the first, and the share of promises kept."""

    factor: float
    attainment: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The load at the knee, how it was found (nothing, if it was given), and all runs."""

    load: Load
    trials: Sequence[Trial]
    runs: Sequence[Run]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.mixed", description=__doc__.partition(": ")[2])
    parser.add_argument("--quick", action="store_true", help="one seed and two loads of 15 s, in fifteen minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it; needs matplotlib")
    parser.add_argument("--systems", type=subset(SYSTEMS), metavar="NAME,...", help=", ".join(SYSTEMS))
    parser.add_argument("--points", type=subset(POINTS), default=None, metavar="NAME,...", help=", ".join(POINTS))
    parser.add_argument("--seeds", type=_numbers, default=(0, 1, 2), metavar="N,...", help="default: 0,1,2; --quick: 0")
    parser.add_argument(
        "--knee-of",
        metavar="NAME",
        help="search the load at which this one of the systems keeps 78%% of its promises; "
        "default: fcfs, if it is one of them and no rate is given",
    )
    for name, rate in KNEE.items():
        parser.add_argument(
            f"--{name}-per-s", type=float, help=f"{name} at the knee, or where its search begins ({rate})"
        )
    parser.add_argument(
        "--hopeless",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="a system that kept less of its promises is spared the heavier loads of a seed (%(default)s); 0: none is",
    )
    parser.add_argument("--seconds", type=float, default=40.0, help="length of a load (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="compute threads of each system (%(default)s)")
    options = parser.parse_args(argv)
    _settle_rates(options)
    if options.quick:
        options.systems = options.systems or QUICK_SYSTEMS
        options.seeds, options.seconds = options.seeds[:1], min(options.seconds, 15.0)
    options.systems = options.systems or DEFAULT
    if options.knee_of and options.knee_of not in options.systems:
        parser.error(f"argument --knee-of: {options.knee_of}: not one of --systems, {', '.join(options.systems)}")
    options.points = options.points or (QUICK_POINTS if options.quick else tuple(POINTS))
    return options


def _settle_rates(options: argparse.Namespace) -> None:
    """Rates that were not given are the usual ones; if none was, the knee is searched."""
    rates = {f"{name}_per_s": rate for name, rate in KNEE.items()}
    if all(getattr(options, name) is None for name in rates) and "fcfs" in (options.systems or DEFAULT):
        options.knee_of = options.knee_of or "fcfs"
    for name, rate in rates.items():
        if getattr(options, name) is None:
            setattr(options, name, rate)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def main(argv: Sequence[str]) -> int:
    options = parse_arguments(argv)
    try:
        measured = ending.run(measure(options))
    except (EngineError, MissingEngineError, KneeError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    result = document(measured.runs) | {
        "knee_load": asdict(measured.load)
        | {"of": options.knee_of, "trials": [asdict(trial) for trial in measured.trials]},
        "command": shlex.join(["python", "-m", "benchmark.mixed", *argv]),
        "targets": asdict(Targets()),
        "machine": machine.describe(options.threads, ensure_default_model()),
    }
    _show(result)
    if options.plot:
        from benchmark.mixed.plot import draw

        draw(result, options.plot)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return 0


async def measure(options: argparse.Namespace) -> Measured:
    """Start all systems, then load them in turn: while one serves, the others are frozen.

    Raises:
        MissingEngineError: A peer is not installed.
        EngineError: A system did not start, or did not do what it was asked for.
        KneeError: The knee was asked for, and not found.
    """
    load = Load(options.chats_per_s, options.agents_per_s, options.documents_per_s, options.seconds)
    runs: list[Run] = []
    trials: list[Trial] = []
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_start(name, options)) for name in options.systems]
        for server, url in servers:
            await _serve(server, url, WARM_UP, -1)
        if options.knee_of:
            server, url = servers[options.systems.index(options.knee_of)]
            load, trials = await _knee(server, url, load, options.seeds[0])
        for turn, seed in enumerate(options.seeds):
            first = turn % len(servers)  # what drifts favours nobody
            for point in options.points:
                for server, url in servers[first:] + servers[:first]:
                    if _hopeless(server.engine.name, seed, point, runs, options.hopeless):
                        continue
                    # Each point has its own words: else what lighter ones left in the cache would make it lighter.
                    found = await _serve(server, url, POINTS[point](load), seed, point)
                    runs.append(Run(server.engine.name, point, seed, found))
                    shown = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
                    console.print(f"{point}, seed {seed}: {server.engine.name}: {shown}", soft_wrap=True)
    return Measured(load, trials, runs)


def _hopeless(system: str, seed: int, point: str, runs: Sequence[Run], share: float) -> bool:
    """Whether this system kept less than ``share`` of its promises under a lighter load of this seed."""
    return any(
        run.figures["attainment"] < share
        for run in runs
        if (run.system, run.seed) == (system, seed) and FACTORS.get(run.point, 9) < FACTORS.get(point, 0)
    )


async def _knee(server: Server, url: str, load: Load, seed: int) -> tuple[Load, list[Trial]]:
    """The load at this system's knee, and what led there: arrivals are those of a seed, words are said only once."""

    async def attained(factor: float) -> float:
        kept = (await _serve(server, url, load.scaled(factor), seed, f"search at {factor}"))["attainment"]
        console.print(f"{server.engine.name} keeps {kept:.1%} of its promises at {factor:.3g} times the load")
        return kept

    knee = await find_knee(attained)
    return load.scaled(knee.factor), [Trial(factor, kept) for factor, kept in sorted(knee.trials.items())]


@asynccontextmanager
async def _start(name: str, options: argparse.Namespace) -> AsyncIterator[tuple[Server, str]]:
    """A server that stands still until it is wanted, and where it is."""
    scratch = Path(tempfile.mkdtemp(prefix=f"superinfer-mixed-{name}-"))
    setting = Setting(ensure_default_model(), free_port(), options.threads, scratch, options.quick)
    async with running(SYSTEMS[name](setting, Targets()), setting.port, scratch / "server.log") as server:
        console.print(f"{name}: first token after {server.startup.ready_s:.1f} s, log in {scratch}", soft_wrap=True)
        server.freeze()
        yield server, f"http://127.0.0.1:{setting.port}"


async def _serve(server: Server, url: str, load: Load, seed: int, words: str = "") -> dict[str, float]:
    server.thaw()
    try:
        return figures(await serve(server, url, load, seed, words), Targets())
    finally:
        server.freeze()


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians over the seeds by point, figure and system; and every run."""
    result: dict[str, Any] = {}
    for point in dict.fromkeys(run.point for run in runs):
        of = [run for run in runs if run.point == point]
        result[point] = {
            figure: {
                system: median(run.figures[figure] for run in of if run.system == system)
                for system in dict.fromkeys(run.system for run in of)
            }
            for figure in FIGURES
            if all(figure in run.figures for run in of)
        }
    return result | {"runs": [asdict(run) for run in runs]}


def _show(result: Mapping[str, Any]) -> None:
    table = Table("load", "system", "on time", "chat p99, ms", "tokens/s", "documents done, s")
    shown = (("attainment", ".1%"), ("chat_p99_ms", ",.0f"), ("tokens_per_s", ",.0f"), ("makespan_s", ".1f"))
    for point in (name for name in POINTS if name in result):
        for system in result[point]["tokens_per_s"]:
            cells = (format(result[point][name][system], how) if name in result[point] else "" for name, how in shown)
            table.add_row(point, system, *cells)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
