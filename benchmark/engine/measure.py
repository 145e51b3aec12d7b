"""Running the plan: engines started one by one, then loaded in turn."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmark.engine.client import EngineError
from benchmark.engine.figures import figures
from benchmark.engine.launch import Launcher, NarrowStarts, console, start_narrow
from benchmark.engine.limits import Limits, measure_limits
from benchmark.engine.plans import Plan
from benchmark.engine.servers import Server, Startup
from benchmark.engine.workloads import Workload


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
        startups: By engine, in the order of its starts.
        narrow: The same engines without the weights.
        resident_bytes_after: By engine, resident memory of its largest process when all is done.
        kernel_libraries: By engine, what it has loaded of its own.
        limits: Of the machine, once per repeat, with all engines frozen.
    """

    runs: list[Run]
    startups: dict[str, list[Startup]]
    narrow: NarrowStarts
    resident_bytes_after: dict[str, int]
    kernel_libraries: dict[str, list[str]]
    limits: list[Limits]


async def measure(plan: Plan, engines: Sequence[str], launcher: Launcher) -> Measurement:
    """Start the engines and measure them.

    Raises:
        MissingEngineError: An engine is not installed.
        EngineError: An engine did not start, or did not do what it was asked for.
    """
    narrow = await start_narrow(launcher, [name for name in plan.narrow_starts if name in engines])
    startups: defaultdict[str, list[Startup]] = defaultdict(list)
    for name in plan.starts:
        if name in engines:
            async with launcher.start(name) as server:
                startups[name].append(server.startup)
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        for name in engines:
            server = await stack.enter_async_context(launcher.start(name))
            startups[name].append(server.startup)
            server.freeze()
            servers.append(server)
        for workload in plan.warm_up:
            for server in servers:
                await _load(server, workload, "warm-up")
        runs, limits = await _repeat(plan, servers, launcher.threads)
        return Measurement(
            runs,
            dict(startups),
            narrow,
            {server.engine.name: server.resident_bytes() for server in servers},
            {server.engine.name: server.kernel_libraries() for server in servers},
            limits,
        )


async def _repeat(plan: Plan, servers: list[Server], threads: int) -> tuple[list[Run], list[Limits]]:
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
    return runs, limits


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
    console.print(f"{seed}: {server.engine.name}: {shown}", soft_wrap=True)
    return found
