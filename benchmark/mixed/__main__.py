"""``python -m benchmark.mixed``: chat beside documents, at a load and at twice that load, on each system in turn."""

import argparse
import asyncio
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

from benchmark.engine import machine
from benchmark.engine.client import EngineError
from benchmark.engine.engines import MissingEngineError, Setting
from benchmark.engine.launch import console
from benchmark.engine.servers import Server, free_port, running
from benchmark.engine.workloads import Request
from benchmark.mixed.figures import FIGURES, figures
from benchmark.mixed.loads import Load, Targets
from benchmark.mixed.systems import SYSTEMS
from superinfer.models import ensure_default_model

POINTS: Mapping[str, float] = {"knee": 1.0, "overload": 2.0}
"""Name of a load point, and how many times the load that is."""

WARM_UP = Load(chat_per_s=2.0, documents_per_s=0.5, seconds=4.0)


@dataclass(frozen=True, slots=True)
class Run:
    """One load on one system, once."""

    system: str
    point: str
    seed: int
    figures: dict[str, float]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.mixed", description=__doc__.partition(": ")[2])
    parser.add_argument("--quick", action="store_true", help="one seed of 15 s, in at most fifteen minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--systems", default=",".join(SYSTEMS), metavar="NAME,...", help="default: %(default)s")
    parser.add_argument("--seeds", default="0,1,2", metavar="N,...", help="default: %(default)s; --quick: the first")
    parser.add_argument("--chat-per-s", type=float, default=2.0, help="chat at the knee (default: %(default)s)")
    parser.add_argument("--documents-per-s", type=float, default=0.7, help="documents there (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=40.0, help="length of a load (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="compute threads of each system (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    options = parse_arguments(argv)
    unknown = [name for name in options.systems.split(",") if name not in SYSTEMS]
    if unknown:
        print(f"benchmark: {', '.join(unknown)}: not one of {', '.join(SYSTEMS)}", file=sys.stderr)
        return 2
    try:
        runs = asyncio.run(measure(options))
    except (EngineError, MissingEngineError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    result = document(runs) | {
        "command": shlex.join(["python", "-m", "benchmark.mixed", *argv]),
        "targets": asdict(Targets()),
        "machine": machine.describe(options.threads, ensure_default_model()),
    }
    _show(result)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return 0


async def measure(options: argparse.Namespace) -> list[Run]:
    """Start all systems, then load them in turn: while one serves, the others are frozen.

    Raises:
        MissingEngineError: A peer is not installed.
        EngineError: A system did not start, or did not do what it was asked for.
    """
    seeds = [int(seed) for seed in options.seeds.split(",")][: 1 if options.quick else None]
    load = Load(options.chat_per_s, options.documents_per_s, 15.0 if options.quick else options.seconds)
    runs: list[Run] = []
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_start(name, options)) for name in options.systems.split(",")]
        for server in servers:
            await _serve(server, WARM_UP.requests(-1))
        for turn, seed in enumerate(seeds):
            first = turn % len(servers)  # what drifts favours nobody
            for point, factor in POINTS.items():
                for server in servers[first:] + servers[:first]:
                    found = await _serve(server, load.scaled(factor).requests(seed))
                    runs.append(Run(server.engine.name, point, seed, found))
                    shown = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
                    console.print(f"{point}, seed {seed}: {server.engine.name}: {shown}", soft_wrap=True)
    return runs


@asynccontextmanager
async def _start(name: str, options: argparse.Namespace) -> AsyncIterator[Server]:
    """A server that stands still until it is wanted."""
    scratch = Path(tempfile.mkdtemp(prefix=f"superinfer-mixed-{name}-"))
    setting = Setting(ensure_default_model(), free_port(), options.threads, scratch, options.quick)
    async with running(SYSTEMS[name](setting, Targets()), setting.port, scratch / "server.log") as server:
        console.print(f"{name}: first token after {server.startup.ready_s:.1f} s, log in {scratch}", soft_wrap=True)
        server.freeze()
        yield server


async def _serve(server: Server, requests: Sequence[Request]) -> dict[str, float]:
    server.thaw()
    try:
        return figures(await server.client.run(requests, sequential=False), Targets())
    finally:
        server.freeze()


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians over the seeds by point, figure and system; and every run."""
    result: dict[str, Any] = {}
    for point in POINTS:
        of = [run for run in runs if run.point == point]
        result[point] = {
            figure: {
                system: median(run.figures[figure] for run in of if run.system == system)
                for system in dict.fromkeys(run.system for run in of)
            }
            for figure in FIGURES
        }
    return result | {"runs": [asdict(run) for run in runs]}


def _show(result: Mapping[str, Any]) -> None:
    table = Table("load", "system", "chat on time", "chat p99, ms", "tokens/s")
    for point in POINTS:
        found = result[point]
        for system in found["attainment"]:
            share, p99_ms, rate = (found[figure][system] for figure in FIGURES)
            table.add_row(point, system, f"{100 * share:.1f} %", f"{p99_ms:,.0f}", f"{rate:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
