"""``python -m benchmark.kv_server``: formats of the KV cache on a server, at equal work, and at an equal budget."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from benchmark import ending
from benchmark.arguments import subset
from benchmark.engine import machine
from benchmark.engine.client import EngineError
from benchmark.engine.launch import console
from benchmark.engine.workloads import Decode, Prefill, Request, Urgency, random_tokens
from benchmark.kv_server.soak import soak
from benchmark.kv_server.starting import post, server_of, state_of
from benchmark.mixed.figures import figures
from benchmark.mixed.loads import Load, Targets
from benchmark.mixed.serve import serve
from superinfer.models import ensure_default_model

ROOMY_BYTES = 1 << 30
LOAD = Load(chats_per_s=1.6, agents_per_s=0.25, documents_per_s=0.8, seconds=40.0)
"""Chat, agents and documents, a little below what two cores of a server serve in time."""

CROWD = Load(1.0, 0.15, 0.7, seconds=40.0, document_tokens=1000, summary_tokens=200)
"""Longer documents, so that memory runs short before the cores do."""


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.kv_server", description=__doc__.partition(": ")[2])
    parser.add_argument("--quick", action="store_true", help="one seed, fewer rounds, shorter loads")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument(
        "--parts",
        type=subset(PARTS),
        default=tuple(COMPARISONS),
        metavar="NAME,...",
        help=f"{', '.join(PARTS)} (not soak)",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the soak (%(default)s)")
    parser.add_argument("--budget-mb", type=int, default=96, help="KV memory under pressure (%(default)s)")
    parser.add_argument("--load", type=float, default=1.0, help="of that, times the usual one (%(default)s)")
    parser.add_argument("--seconds", type=float, default=40.0, help="length of a load (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="of the comparison of speed (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="of the load (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="compute threads of each server (%(default)s)")
    options = parser.parse_args(argv)
    if options.quick:
        options.seconds, options.rounds, options.seeds = min(options.seconds, 15.0), 5, 1
    return options


def main(argv: Sequence[str]) -> int:
    options = parse_arguments(argv)
    try:
        result: dict[str, Any] = {part: ending.run(PARTS[part](options)) for part in options.parts}
    except EngineError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    result |= {
        "command": shlex.join(["python", "-m", "benchmark.kv_server", *argv]),
        "targets": asdict(Targets()),
        "machine": machine.describe(options.threads, ensure_default_model()),
    }
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return 0


async def equal_work(options: argparse.Namespace) -> dict[str, Any]:
    """Peak bytes of KV pages for the same requests, where there is room for all of them."""
    found: dict[str, Any] = {}
    for name in ("native", "int8", "mixed", "int8 chat"):
        async with server_of(name, ROOMY_BYTES, options) as server:
            found[name] = {}
            for work, share in {"batch only": 1.0, "half of the tokens batch": 0.5}.items():
                await post(server, "/flush_cache")
                await server.client.run(_documents(share), sequential=False)
                found[name][work] = (await state_of(server))["peak_bytes"]
            await post(server, "/flush_cache")
            answers = await serve(server, server.client.url, replace(LOAD, seconds=options.seconds), seed=0)
            state = await state_of(server)
            found[name]["mixed load"] = state["peak_bytes"]
            found[name]["mixed load, by format"] = state["peak_bytes_by_format"]
            found[name]["mixed load, on time"] = figures(answers, Targets())["attainment"]
    for name, peaks in found.items():
        peaks |= {
            f"{work}, relative to native": peaks[work] / found["native"][work]
            for work in [work for work in peaks if not work.endswith(("by format", "on time"))]
        }
        console.print(f"equal work: {name}: {peaks}", soft_wrap=True)
    return found


async def equal_budget(options: argparse.Namespace) -> dict[str, Any]:
    """Chat and agents beside documents, with less memory than all of it wants."""
    load = replace(CROWD.scaled(options.load), seconds=options.seconds)
    runs: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        names = ("off", "auto int8", "auto", "auto int8 chat")
        servers = [
            await stack.enter_async_context(server_of(name, options.budget_mb << 20, options, frozen=True))
            for name in names
        ]
        for seed in range(options.seeds):
            turn = seed % len(servers)
            for server in servers[turn:] + servers[:turn]:
                server.thaw()
                answers = await serve(server, server.client.url, load, seed)
                runs.append({"system": server.engine.name, "seed": seed, **figures(answers, Targets())})
                server.freeze()
                console.print(f"equal budget: {runs[-1]}", soft_wrap=True)
    medians = {
        name: {
            figure: median(run[figure] for run in runs if run["system"] == name)
            for figure in ("attainment", "goodput_per_s", "tokens_per_s", "makespan_s", "chat_ttft_p99_ms")
        }
        for name in dict.fromkeys(run["system"] for run in runs)
    }
    return {"budget_bytes": options.budget_mb << 20, "load": asdict(load), "medians": medians, "runs": runs}


async def speed(options: argparse.Namespace) -> dict[str, Any]:
    """What the machinery costs where memory is no concern: rounds in turn, medians of the ratios of neighbours."""
    works: dict[str, tuple[Decode | Prefill, Urgency]] = {
        "decode 8 requests, native": (Decode(8, 48), Urgency.PLAIN),
        "decode 8 requests, batch": (Decode(8, 48), Urgency.BATCH),
        "prompts of 512, native": (Prefill(512, 3), Urgency.PLAIN),
        "prompts of 512, batch": (Prefill(512, 3), Urgency.BATCH),
    }
    names = ("off", "mixed", "auto")
    seconds: dict[str, dict[str, list[float]]] = {work: {name: [] for name in names} for work in works}
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(server_of(name, ROOMY_BYTES, options, frozen=True)) for name in names
        ]
        for turn in range(options.rounds + 1):
            for work, (load, urgency) in works.items():
                first = turn % len(servers)
                for server in servers[first:] + servers[:first]:
                    requests = [_as(request, urgency) for request in load.requests(str(turn))]
                    server.thaw()
                    await post(server, "/flush_cache")  # nothing is found, and nothing has to go
                    answers = await server.client.run(requests, sequential=load.sequential)
                    server.freeze()
                    took = max(a.last_token_s for a in answers) - min(a.sent_s for a in answers)
                    if turn:  # the first warms up
                        seconds[work][server.engine.name].append(took)
    found = {
        work: {
            **{f"{name}_s": median(took[name]) for name in names},
            **{
                f"{name}_to_off": median(b / a for a, b in zip(took["off"], took[name], strict=True))
                for name in names[1:]
            },
        }
        for work, took in seconds.items()
    }
    for work, figure in found.items():
        console.print(f"speed: {work}: {figure}", soft_wrap=True)
    return found


COMPARISONS = {"equal_work": equal_work, "equal_budget": equal_budget, "speed": speed}
PARTS = {**COMPARISONS, "soak": soak}


def _documents(batch_share: float) -> list[Request]:
    """Requests of 800 prompt tokens and 64 new ones: the first so many of them batch, the others chat."""
    draw, count = random_tokens("documents"), 8
    batch = round(count * batch_share)
    return [Request(draw(800), 64, urgency=Urgency.BATCH if i < batch else Urgency.CHAT) for i in range(count)]


def _as(request: Request, urgency: Urgency) -> Request:
    return Request(request.prompt, request.max_tokens, request.at_s, urgency, request.after)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
