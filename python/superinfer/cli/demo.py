"""``superinfer demo``."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from superinfer.cli.errors import UserError

START_TIMEOUT_S = 300


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer demo``."""
    parser = argparse.ArgumentParser(
        prog="superinfer demo",
        description="Start a server with the embedded model, run a batch of summaries in the background and an agent "
        "program with interactive SLOs in the foreground, and show who met their SLO.",
    )
    parser.add_argument("--url", help="use the SuperInfer server at this address instead of starting one")
    parser.add_argument("--svg", metavar="FILE", type=Path, help="save what is printed as a picture")
    parser.add_argument("--port", type=int, default=30000, help="port for the server it starts (default: %(default)s)")
    return parser


def run(argv: Sequence[str]) -> int:
    """Run the demonstration; exits with 1 if the server does not start."""
    options = build_parser().parse_args(argv)
    console = Console(record=options.svg is not None, width=100 if options.svg else None)
    if options.url:
        return _show(options.url, console, options.svg)
    with _server(options.port, console) as url:
        return _show(url, console, options.svg)


def _show(url: str, console: Console, svg: Path | None) -> int:
    from superinfer.demo.show import show

    model = httpx.get(f"{url}/v1/models", timeout=30).json()["data"][0]["id"]
    started = time.monotonic()
    board = asyncio.run(show(url, model, console))
    console.print(f"Took {time.monotonic() - started:.0f} s. The program: superinfer/demo/agent.py", highlight=False)
    if svg:
        console.save_svg(str(svg), title="superinfer demo")
    return 0 if board.rows else 1


@contextmanager
def _server(port: int, console: Console) -> Iterator[str]:
    """A server with the embedded model; its log goes to a file."""
    from superinfer.models import ensure_default_model

    ensure_default_model()
    log = Path(tempfile.gettempdir()) / f"superinfer-demo-{port}.log"
    # Eight rows: enough to keep the cores busy, few enough for queueing to matter.
    flags = ["--port", str(port), "--max-running-requests", "8", "--enable-cache-report"]
    command = [sys.executable, "-m", "superinfer.launch_server", *flags]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        with console.status(f"Starting a server on {url} (log: {log})"):
            _wait_until_ready(url, process, log)
        console.print(f"Server ready on {url}; log: {log}", highlight=False)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/ready", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise UserError(f"the server did not start; the end of {log}:\n{end}")
