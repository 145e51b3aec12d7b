"""Servers of the comparisons, and what they say."""

import argparse
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmark.engine.client import EngineError
from benchmark.engine.engines import Setting
from benchmark.engine.servers import Server, free_port, running
from benchmark.kv_server.systems import SYSTEMS
from benchmark.mixed.loads import Targets
from superinfer.models import ensure_default_model


@asynccontextmanager
async def server_of(
    name: str, budget_bytes: int, options: argparse.Namespace, *, frozen: bool = False
) -> AsyncIterator[Server]:
    """A server of the embedded model with so much KV memory; ``frozen`` until somebody thaws it."""
    scratch = Path(tempfile.mkdtemp(prefix=f"superinfer-kv-{name.replace(' ', '-')}-"))
    setting = Setting(ensure_default_model(), free_port(), options.threads, scratch)
    engine = SYSTEMS[name](setting, Targets(), budget_bytes)
    async with running(engine, setting.port, scratch / "server.log") as server:
        if frozen:
            server.freeze()
        yield server


async def scheduler_of(server: Server) -> dict[str, Any]:
    """The scheduler's part of ``/superinfer/state``."""
    async with aiohttp.ClientSession(server.client.url) as session, session.get("/superinfer/state") as response:
        found: dict[str, Any] = (await response.json())["schedulers"][0]
        return found


async def state_of(server: Server) -> dict[str, Any]:
    """What the server says of its KV."""
    found: dict[str, Any] = (await scheduler_of(server))["kv"]
    return found


async def post(server: Server, path: str) -> None:
    """Ask for something to be done.

    Raises:
        EngineError: It was not.
    """
    async with aiohttp.ClientSession(server.client.url) as session, session.post(path) as response:
        if response.status != 200:
            raise EngineError(f"{path}: HTTP {response.status}: {await response.text()}")
