"""How well the simulator agrees with a server: ``python -m benchmark.agreement --folder DIR --json FILE``."""

import argparse
import asyncio
import shlex
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmark import ending
from benchmark.engine import machine
from benchmark.engine.engines import Engine, Setting
from benchmark.engine.launch import console
from benchmark.engine.servers import Server, free_port, running
from benchmark.mixed.loads import Load, Targets
from benchmark.mixed.serve import serve
from benchmark.mixed.systems import superinfer
from superinfer.cli.record import measured_run
from superinfer.cli.simulate_validation import show_comparisons
from superinfer.models import ensure_default_model
from superinfer.observe.delivery import Delivery
from superinfer.observe.server_state import read_state
from superinfer.observe.subscribe import Subscriber
from superinfer.sim.calibrate import fit
from superinfer.sim.validate import compare
from superinfer.workload.steps import MeasuredRun, read_steps, write_steps

KNEE = Load(chats_per_s=1.6, agents_per_s=0.25, documents_per_s=0.8, seconds=60.0)
STANDSTILL_S = 3.0
"""No step takes so long: something else had the machine, and the run is repeated."""

SETTLE_S = 1.5
"""A watcher that has just connected misses what is sent at once."""


def main(argv: Sequence[str]) -> int:
    """Record a run per seed, learn the machine from the first, and serve the others again on it."""
    options = _parser().parse_args(argv)
    files = [options.folder / f"{options.load:g}-{seed}.json" for seed in options.seeds]
    if not options.again:
        options.folder.mkdir(parents=True, exist_ok=True)
        ending.run(record(options, files))
    runs = [read_steps(file) for file in files]
    fitted = fit(runs[0])
    comparisons = {}
    for seed, run in zip(options.seeds, runs, strict=True):
        comparisons[f"seed {seed}"] = compare(run, "rotation", fitted.swinging(run), fitted.steps)
    show_comparisons(comparisons)
    if options.json:
        result = {
            "command": shlex.join(["python", "-m", "benchmark.agreement", *argv]),
            "machine": machine.describe(options.threads, ensure_default_model()),
            "learnt_from": f"seed {options.seeds[0]}",
            "fit": {"error_p50": fitted.error_p50, "error_p90": fitted.error_p90, "steps": fitted.learnt},
            "figures": {
                name: [asdict(one) | {"ratio": one.ratio} for one in figures] for name, figures in comparisons.items()
            },
        }
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return 0


async def record(options: argparse.Namespace, files: Sequence[Path]) -> None:
    """One server serves the load of each seed, after the same load of another seed to warm up."""
    load = replace(KNEE.scaled(options.load), seconds=options.seconds)
    async with _start(options) as (server, url, events):
        await serve(server, url, replace(load, seconds=10.0), -1)
        for seed, file in zip(options.seeds, files, strict=True):
            for _ in range(options.tries):
                run = await _recorded(server, url, events, load, seed)
                longest_s = max(step.elapsed_us for step in run.steps) / 1e6
                shown = f"{len(run.steps)} steps, {len(run.requests)} requests, longest step {longest_s:.2f} s"
                console.print(f"{file}: {shown}", soft_wrap=True)
                if longest_s < STANDSTILL_S:
                    break
            write_steps(run, file)


async def _recorded(server: Server, url: str, events: str, load: Load, seed: int) -> MeasuredRun:
    with _Listener(events) as listener:
        await asyncio.sleep(SETTLE_S)
        await serve(server, url, load, seed)
        await asyncio.sleep(SETTLE_S)
    return await asyncio.to_thread(_measured, url, listener.deliveries)


@asynccontextmanager
async def _start(options: argparse.Namespace) -> AsyncIterator[tuple[Server, str, str]]:
    scratch = Path(tempfile.mkdtemp(prefix="superinfer-agreement-"))
    setting = Setting(ensure_default_model(), free_port(), options.threads, scratch)
    events = f"tcp://127.0.0.1:{free_port()}"
    async with running(_watched(setting, events), setting.port, scratch / "server.log") as server:
        console.print(f"first token after {server.startup.ready_s:.1f} s, log in {scratch}", soft_wrap=True)
        yield server, f"http://127.0.0.1:{setting.port}", events


def _watched(setting: Setting, events: str) -> Engine:
    """SuperInfer as the mixed benchmark starts it, but that it tells what happens."""
    file = setting.scratch / "superinfer.toml"
    file.write_text(f'[observe]\nevents = "{events}"\n')
    engine = superinfer(setting, Targets())
    return replace(engine, command=[*engine.command, "--slo-classes", str(file)])


def _measured(url: str, deliveries: Sequence[Delivery]) -> MeasuredRun:
    with httpx.Client(base_url=url, timeout=30) as client:
        return measured_run(deliveries, read_state(client), "this machine")[0]


class _Listener:
    """Hears a server's events in a thread of its own."""

    def __init__(self, events: str) -> None:
        self.deliveries: list[Delivery] = []
        self._events = events
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "_Listener":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _listen(self) -> None:
        with Subscriber(self._events) as subscriber:
            while not self._over.is_set():
                self.deliveries += subscriber.receive(for_s=0.5)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmark.agreement", description=__doc__.partition(": ")[0])
    parser.add_argument("--folder", type=Path, default=Path("agreement"), help="for the recordings (%(default)s)")
    parser.add_argument("--again", action="store_true", help="compare the recordings that are there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--load", type=float, default=0.7, metavar="FACTOR", help="times the knee (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1), help="a run each; the first teaches (0 1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a load (%(default)s)")
    parser.add_argument("--tries", type=int, default=3, help="of a run in which the machine stood still (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="compute threads (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
