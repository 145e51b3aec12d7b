"""Running the plan: engines started one by one, then loaded in turn."""

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmark.engine.client import EngineError
from benchmark.engine.engines import ENGINES, Setting
from benchmark.engine.figures import figures
from benchmark.engine.limits import Limits, measure_limits
from benchmark.engine.plans import Plan
from benchmark.engine.servers import Server, Startup, free_port, running
from benchmark.engine.workloads import Workload

_console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Run:
    """One workload on one engine, once."""

    engine: str
    workload: str
    repeat: int
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything measured.

    Attributes:
        runs: In the order they ran.
        startups: By engine.
        resident_bytes_after: By engine, resident memory of its largest process when all is done.
        limits: Of the machine, once per repeat, with all engines frozen.
    """

    runs: list[Run]
    startups: dict[str, Startup]
    resident_bytes_after: dict[str, int]
    limits: list[Limits]


async def measure(plan: Plan, engines: Sequence[str], model: Path, threads: int) -> Measurement:
    """Start the engines and measure them.

    Raises:
        MissingEngineError: An engine is not installed.
        EngineError: An engine did not start, or did not do what it was asked for.
    """
    scratch = Path(tempfile.mkdtemp(prefix="superinfer-benchmark-"))
    _console.print(f"logs of the engines: {scratch}", soft_wrap=True)
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        for name in engines:
            directory = scratch / name
            directory.mkdir()
            setting = Setting(model, free_port(), threads, directory, plan.eager)
            server = await stack.enter_async_context(
                running(ENGINES[name](setting), setting.port, directory / "server.log")
            )
            _console.print(f"{name}: first token after {server.startup.first_token_s:.1f} s")
            server.freeze()
            servers.append(server)
        for workload in plan.warm_up:
            for server in servers:
                await _load(server, workload, "warm-up")
        return await _repeat(plan, servers, threads)


async def _repeat(plan: Plan, servers: list[Server], threads: int) -> Measurement:
    runs: list[Run] = []
    limits: list[Limits] = []
    for repeat in range(plan.repeats):
        limits.append(measure_limits(threads))
        # Who goes first changes, so that what drifts (clock, temperature, neighbours) favours nobody.
        first = repeat % len(servers)
        for workload in plan.workloads:
            for server in servers[first:] + servers[:first]:
                found = await _load(server, workload, f"repeat {repeat}")
                runs.append(Run(server.engine.name, workload.name, repeat, found))
    return Measurement(
        runs,
        {server.engine.name: server.startup for server in servers},
        {server.engine.name: server.resident_bytes() for server in servers},
        limits,
    )


async def _load(server: Server, workload: Workload, seed: str) -> dict[str, float]:
    server.thaw()
    try:
        await server.client.run(workload.prepare(seed), sequential=True)
        answers = await server.client.run(workload.requests(seed), sequential=workload.sequential)
    except EngineError as error:
        raise EngineError(f"{server.engine.name}, {workload.name}, {seed}: {error}") from error
    finally:
        server.freeze()
    found = figures(workload, answers)
    shown = ", ".join(f"{name} {value:.1f}" for name, value in found.items())
    _console.print(f"{seed}: {server.engine.name}: {shown}", soft_wrap=True)
    return found
