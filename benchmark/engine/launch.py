"""Starting engines: for the load, and only to see how long that takes and what memory they need."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from benchmark.engine.engines import ENGINES, Setting
from benchmark.engine.narrow import write_narrow
from benchmark.engine.servers import Server, free_port, running
from benchmark.engine.shape import ModelShape, model_shape

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Launcher:
    """What all starts have in common.

    Attributes:
        model: Directory of the model.
        threads: Compute threads of each engine.
        eager: vLLM does not compile.
        scratch: Where each start gets a directory for its log and its own use.
    """

    model: Path
    threads: int
    eager: bool
    scratch: Path

    @asynccontextmanager
    async def start(self, name: str) -> AsyncIterator[Server]:
        """Start the engine of that name, wait for its first token, and end it afterwards.

        Raises:
            MissingEngineError: It is not installed.
            EngineError: It ended or did not answer in time.
        """
        directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))
        setting = Setting(self.model, free_port(), self.threads, directory, self.eager)
        async with running(ENGINES[name](setting), setting.port, directory / "server.log") as server:
            console.print(f"{name}, {self.model.name}: first token after {server.startup.ready_s:.1f} s")
            yield server


@dataclass(frozen=True, slots=True)
class NarrowStarts:
    """Starts with a model that has next to no weights.

    Attributes:
        shape: Of that model.
        resident_bytes: By engine, resident memory of its largest process.
    """

    shape: ModelShape
    resident_bytes: dict[str, int]


async def start_narrow(launcher: Launcher, engines: Sequence[str]) -> NarrowStarts:
    """Start each engine once with the narrow relative of the launcher's model.

    Raises:
        EngineError: An engine does not serve that model.
    """
    model = write_narrow(launcher.model, launcher.scratch / "narrow-model")
    narrow = replace(launcher, model=model)
    resident_bytes: dict[str, int] = {}
    for name in engines:
        async with narrow.start(name) as server:
            resident_bytes[name] = server.startup.resident_bytes
    return NarrowStarts(model_shape(model), resident_bytes)
