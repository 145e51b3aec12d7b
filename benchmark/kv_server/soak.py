"""A long load of a mix that changes, with clients that leave, on a server that ends when a token of KV gets lost."""

import argparse
import asyncio
import random
import time
from dataclasses import replace
from typing import Any

import aiohttp

from benchmark.engine.client import EngineError
from benchmark.engine.launch import console
from benchmark.engine.servers import Server
from benchmark.engine.workloads import Urgency, random_tokens
from benchmark.kv_server.starting import post, scheduler_of, server_of, state_of
from benchmark.mixed.loads import Load
from benchmark.mixed.serve import serve

ROUND_S = 12.0
IDLE_S = 60.0
LEAVING_PER_S = 1.5

MIXES = {
    "chat and agents": Load(chats_per_s=2.0, agents_per_s=0.3, documents_per_s=0.0, seconds=ROUND_S),
    "documents": Load(chats_per_s=0.1, agents_per_s=0.0, documents_per_s=2.0, seconds=ROUND_S),
    "all": Load(chats_per_s=1.2, agents_per_s=0.2, documents_per_s=0.6, seconds=ROUND_S),
}


async def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Serve the mixes in turn for so many minutes, then flush, and see that every page is free.

    Raises:
        EngineError: The server ended or refused something, or pages stayed in use.
    """
    end_s = time.perf_counter() + 60 * options.minutes
    rounds: list[dict[str, Any]] = []
    async with server_of("strict", options.budget_mb << 20, options) as server:
        while time.perf_counter() < end_s:
            mix = list(MIXES)[len(rounds) % len(MIXES)]
            load, seed = replace(MIXES[mix], seconds=min(ROUND_S, options.seconds)), len(rounds)
            answers, left = await asyncio.gather(
                serve(server, server.client.url, load, seed), leave_early(server, load.seconds, seed)
            )
            kv = await state_of(server)
            rounds.append({"mix": mix, "answers": len(answers), "left": left, "kv": kv})
            regions = {name: fmt["region_bytes"] // 2**20 for name, fmt in kv["formats"].items()}
            console.print(
                f"soak: {mix}: {len(answers)} answers, {left} clients left, MiB by format {regions}, "
                f"{kv['copied_pages']} pages copied, {kv['spilled_pages']} spilled",
                soft_wrap=True,
            )
        await until_idle(server)
        await post(server, "/flush_cache")
        kv = await state_of(server)
    held = {name: fmt["pages_used"] for name, fmt in kv["formats"].items() if fmt["pages_used"]}
    if held:
        raise EngineError(f"pages are in use after a flush of an idle server: {held}")
    moved = {name: fmt["moved_bytes"] for name, fmt in kv["formats"].items()}
    console.print(f"soak: {len(rounds)} rounds, nothing leaked; bytes moved to each format: {moved}", soft_wrap=True)
    return {"budget_bytes": options.budget_mb << 20, "rounds": rounds, "moved_bytes": moved}


async def leave_early(server: Server, seconds: float, seed: int) -> int:
    """Clients that leave while they wait, are read, or are answered; returns how many there were."""
    choose, draw = random.Random(f"leave/{seed}"), random_tokens(f"leave/{seed}")
    began_s, clients = time.perf_counter(), []
    async with aiohttp.ClientSession(server.client.url) as session:
        while time.perf_counter() - began_s < seconds:
            await asyncio.sleep(choose.expovariate(LEAVING_PER_S))
            urgency = choose.choice([Urgency.CHAT, Urgency.BATCH])
            body = {
                "input_ids": draw(choose.choice([40, 300, 900])),
                "sampling_params": {"max_new_tokens": 400, "ignore_eos": True},
                "stream": True,
                **server.engine.fields[urgency],
            }
            clients.append(asyncio.create_task(_leave(session, body, choose.uniform(0.05, 4.0))))
        await asyncio.gather(*clients)
    return len(clients)


async def _leave(session: aiohttp.ClientSession, body: dict[str, Any], after_s: float) -> None:
    async with session.post("/generate", json=body) as response:
        if response.status != 200:
            raise EngineError(f"HTTP {response.status}: {(await response.text())[:500]}")
        try:
            async with asyncio.timeout(after_s):
                async for _ in response.content:
                    pass
        except TimeoutError:
            pass


async def until_idle(server: Server) -> None:
    """Wait until the server has nobody to serve.

    Raises:
        EngineError: It is busy for ever.
    """
    for _ in range(round(IDLE_S / 0.2)):
        state = await scheduler_of(server)
        if state["running_total"] == state["waiting_total"] == 0:
            return
        await asyncio.sleep(0.2)
    raise EngineError(f"the server is busy {IDLE_S:g} s after the last request")
