"""Engines as processes: started once, stopped while another is measured, ended with all their children."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from benchmark.engine.client import Client, EngineError
from benchmark.engine.engines import Engine
from benchmark.engine.workloads import Request, Urgency

_START_TIMEOUT_S = 600
_POLL_S = 0.1
_LOG_TAIL_LINES = 30
_KERNEL_LIBRARY = re.compile(r"/(_C\w*\.abi3\.so|superinfer_kernels\.so)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Startup:
    """What it took to get the first token.

    Attributes:
        ready_s: From the start of the process to the first token of the first request.
        resident_bytes: Resident memory of the engine's largest process, which holds the weights, at that moment.
    """

    ready_s: float
    resident_bytes: int


class Server:
    """A running engine and a client of it."""

    def __init__(self, engine: Engine, process: psutil.Popen, client: Client, startup: Startup) -> None:
        self.engine = engine
        self.client = client
        self.startup = startup
        self._process = process

    def freeze(self) -> None:
        """Take every process of the engine off the processor: SGLang's scheduler spins while it is idle."""
        _signal_all(self._process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the engine run on."""
        _signal_all(self._process, signal.SIGCONT)

    def resident_bytes(self) -> int:
        """Resident memory of the engine's largest process."""
        return _resident_bytes(self._process)

    def kernel_libraries(self) -> list[str]:
        """File names of the engine's own kernel libraries, as its processes have loaded them."""
        maps = "".join(Path(f"/proc/{member.pid}/maps").read_text() for member in _family(self._process))
        return sorted(set(_KERNEL_LIBRARY.findall(maps)))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def running(engine: Engine, port: int, log: Path) -> AsyncIterator[Server]:
    """Start ``engine``, wait for its first token, and end it and its children afterwards.

    Raises:
        EngineError: It ended or did not answer in time; the message has the end of its log.
    """
    started_s = time.perf_counter()
    with log.open("wb") as out:
        process = psutil.Popen(
            engine.command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **engine.variables},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await _wait_until_healthy(url, process, engine, log)
        async with Client(url, engine.fields) as client:
            [answer] = await client.run([Request([1_000] * 16, 1, urgency=Urgency.PLAIN)], sequential=True)
            startup = Startup(answer.first_token_s - started_s, _resident_bytes(process))
            yield Server(engine, process, client, startup)
    finally:
        _end(process)


async def _wait_until_healthy(url: str, process: psutil.Popen, engine: Engine, log: Path) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=10)) as session:
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                async with session.get("/health") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(_POLL_S)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
    reason = "did not start in time" if process.poll() is None else f"ended with exit code {process.poll()}"
    raise EngineError(f"{engine.name} {reason}; the end of {log}:\n{tail}")


def _family(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal_all(process: psutil.Popen, number: signal.Signals) -> None:
    for member in _family(process):
        member.send_signal(number)


def _resident_bytes(process: psutil.Popen) -> int:
    return max(int(member.memory_info().rss) for member in _family(process))


def _end(process: psutil.Popen) -> None:
    family = _family(process)
    for number in (signal.SIGCONT, signal.SIGTERM):
        for member in family:
            if member.is_running():
                member.send_signal(number)
    _, alive = psutil.wait_procs(family, timeout=20)
    for member in alive:
        member.kill()
    psutil.wait_procs(alive, timeout=10)
