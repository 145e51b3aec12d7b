"""A SuperInfer server as a subprocess, for tests that speak HTTP to it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from superinfer.cli import main
from support import forks

START_TIMEOUT_S = 240


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    pid: int
    log: Path
    api_key: str | None = None

    def client(self, **kwargs) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return httpx.Client(base_url=self.url, timeout=120, headers=headers | kwargs.pop("headers", {}), **kwargs)

    def alive(self) -> bool:
        """Whether the server's process and all its children run."""
        try:
            process = psutil.Process(self.pid)
            family = [process, *process.children(recursive=True)]
            return len(family) > 1 and all(p.status() != psutil.STATUS_ZOMBIE for p in family)
        except psutil.NoSuchProcess:
            return False


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def serve_command(*args: str, module: str = "superinfer.launch_server") -> list[str]:
    return [sys.executable, "-m", module, *args]


@contextmanager
def running_server(
    log: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    api_key: str | None = None,
    spawned: bool = False,
    module: str | None = None,
) -> Iterator[Server]:
    """Start a server, wait until it is ready, and end it and its children afterwards.

    It is forked from a process that has imported everything; ``spawned``, or as another ``module``, it begins from
    nothing, as a user's does.
    """
    port = free_port()
    extra = ["--api-key", api_key] if api_key else []
    arguments, environment = [*args, *extra, "--port", str(port)], {**os.environ, **(env or {})}
    if spawned or module:
        process = _spawn(log, serve_command(*arguments, module=module or "superinfer.launch_server"), environment)
    else:
        process = _fork(log, arguments, environment)
    try:
        server = Server(f"http://127.0.0.1:{port}", process.pid, log, api_key)
        _wait_until_ready(server, process)
        yield server
    finally:
        _end(process)


def refusal(folder: Path, *args: str) -> tuple[int | None, str]:
    """Exit status of a server that does not start, and what it printed; forked as above."""
    process = _fork(folder / "server.log", args, os.environ)
    try:
        process.wait(START_TIMEOUT_S)
    finally:
        _end(process)
    return process.poll(), (folder / "server.log").read_text()


def _spawn(log: Path, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen:
    with log.open("w") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)


def _fork(log: Path, args: Sequence[str], environment: Mapping[str, str]) -> forks.Forked:
    return forks.Forked(_serve, log, args, dict(environment))


def _serve(log: Path, args: Sequence[str], environment: Mapping[str, str]) -> None:
    with log.open("w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    forks.enter(environment)
    sys.exit(main(["serve", *args]))


def _wait_until_ready(server: Server, process: subprocess.Popen | forks.Forked) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{server.url}/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    tail = "\n".join(server.log.read_text(errors="replace").splitlines()[-40:])
    raise RuntimeError(f"server not ready (exit status {process.poll()}); end of its log:\n{tail}")


def _end(process: subprocess.Popen | forks.Forked) -> None:
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        if child.is_running():
            child.kill()
    psutil.wait_procs(children, timeout=10)
