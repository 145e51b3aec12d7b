"""What KV in host memory is worth when shared prefixes outgrow the device's pool: ``python -m benchmark.host_tier``.

Questions about a few long documents, more of them than the pool holds. All systems are SuperInfer with the same pool,
and serve the same requests in turn; those that do not serve are frozen. The link between host and device is emulated,
so fast that a token is loaded in about a twelfth of the time it takes to compute; ``--link-bytes-per-s 0`` copies at
once.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import aiohttp

from benchmark import ending
from benchmark.engine.engines import ENGINES, Setting
from benchmark.engine.servers import Server, free_port, running
from benchmark.engine.workloads import Request
from benchmark.report import Results, add_outputs, publish
from superinfer.cli.picture import picture
from superinfer.models import ensure_default_model

SYSTEMS: Mapping[str, str] = {
    "none": "",
    "host": '[host]\nkv_bytes = "{tier}"\nlink_bytes_per_s = {link}\n',
    "host, nothing ahead": '[host]\nkv_bytes = "{tier}"\nlink_bytes_per_s = {link}\nprefetch_bytes_per_s = 0\n',
}
LINE = "{system:>20}: first token p50 {ttft_p50_ms:7.0f} ms, p99 {ttft_p99_ms:7.0f} ms, computed {computed_tokens:7.0f}"
QUESTION_TOKENS, ANSWER_TOKENS = 24, 8


def requests(options: argparse.Namespace, seed: int) -> list[Request]:
    """Questions that arrive at random, each about one of the documents."""
    documents = [_tokens(Random(f"document {index}"), options.document_tokens) for index in range(options.documents)]
    random, at_s, made = Random(f"questions {seed}"), 0.0, []
    for _ in range(options.requests):
        at_s += random.expovariate(options.per_s)
        prompt = [*random.choice(documents), *_tokens(random, QUESTION_TOKENS)]
        made.append(Request(prompt, ANSWER_TOKENS, at_s))
    return made


def _tokens(random: Random, count: int) -> list[int]:
    return [random.randrange(1_000, 30_000) for _ in range(count)]


async def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every system under the same requests, in turn: figures of each round."""
    rounds: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_start(name, options)) for name in SYSTEMS]
        warm_up = requests(options, -1)[: options.documents]
        for server in servers:
            await _serve(server, [replace(request, at_s=0.0) for request in warm_up])
        for seed in range(options.rounds):
            first = seed % len(servers)  # what drifts favours nobody
            for server in servers[first:] + servers[:first]:
                rounds.append(
                    {"system": server.engine.name, "round": seed, **await _serve(server, requests(options, seed))}
                )
    return rounds


@asynccontextmanager
async def _start(name: str, options: argparse.Namespace) -> AsyncIterator[Server]:
    scratch = Path(tempfile.mkdtemp(prefix="superinfer-host-tier-"))
    setting = Setting(ensure_default_model(), free_port(), options.threads, scratch)
    file = scratch / "superinfer.toml"
    file.write_text(SYSTEMS[name].format(tier=options.tier, link=options.link_bytes_per_s))
    engine = ENGINES["superinfer"](setting)
    command = [*engine.command, "--slo-classes", str(file), "--max-total-tokens", str(options.pool_tokens)]
    engine = replace(engine, name=name, command=[*command, "--enable-metrics"])
    async with running(engine, setting.port, scratch / "server.log") as server:
        server.freeze()
        yield server


async def _serve(server: Server, asked: Sequence[Request]) -> dict[str, float]:
    server.thaw()
    try:
        before = await _computed_tokens(server)
        answers = await server.client.run(asked, sequential=False)
        computed = await _computed_tokens(server) - before
    finally:
        server.freeze()
    ttft_ms = sorted(answer.ttft_s * 1000 for answer in answers)
    return {
        "ttft_p50_ms": ttft_ms[len(ttft_ms) // 2],
        "ttft_p99_ms": ttft_ms[min(len(ttft_ms) - 1, len(ttft_ms) * 99 // 100)],
        "computed_tokens": computed,
    }


async def _computed_tokens(server: Server) -> float:
    """Prompt tokens that were not found in any cache, since the start."""
    await asyncio.sleep(0.3)  # what the last answer adds is published after it
    port = server.engine.command[server.engine.command.index("--port") + 1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session, session.get("/metrics") as response:
        return computed_tokens(await response.text())


def computed_tokens(metrics: str) -> float:
    """As ``_computed_tokens``, from the text of ``/metrics``."""
    prompt = cached = 0.0
    for line in metrics.splitlines():
        if line.startswith("sglang:prompt_tokens_total{"):
            prompt += float(line.split()[-1])
        elif line.startswith("sglang:cached_tokens_total{"):
            cached += float(line.split()[-1])
    return prompt - cached


def summary(rounds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the rounds of each system, and of their ratios to no tier in the same round."""
    found = []
    plain = {one["round"]: one for one in rounds if one["system"] == "none"}
    for system in dict.fromkeys(one["system"] for one in rounds):
        of = [one for one in rounds if one["system"] == system]
        figures = [name for name in of[0] if name not in ("system", "round")]
        medians = {name: median(one[name] for one in of) for name in figures}
        ratios = {f"{name}_ratio": median(one[name] / plain[one["round"]][name] for one in of) for name in figures}
        found.append({"system": system, **medians, **ratios, "rounds": of})
    return found


def save_plot(results: Results, path: Path) -> None:
    """Draw first tokens and what was computed, by system."""
    panels = (
        ("ttft_p50_ms", "first token p50, ms"),
        ("ttft_p99_ms", "first token p99, ms"),
        ("computed_tokens", "computed"),
    )
    with picture(path, 1, len(panels), (9, 3)) as axes:
        for axis, (name, title) in zip(axes[0], panels, strict=True):
            axis.bar([result["system"] for result in results], [result[name] for result in results])
            axis.set(title=title)
            axis.tick_params(axis="x", labelrotation=20)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.host_tier", description=__doc__.partition(": ")[0])
    parser.add_argument("--quick", action="store_true", help="one round of 24 requests")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--requests", type=int, default=48, help="in a round (%(default)s)")
    parser.add_argument("--per-s", type=float, default=0.6, help="requests that arrive in a second (%(default)s)")
    parser.add_argument("--documents", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--document-tokens", type=int, default=960, help="(%(default)s)")
    parser.add_argument("--pool-tokens", type=int, default=4096, help="room on the device (%(default)s)")
    parser.add_argument("--tier", default="1g", help="host memory (%(default)s)")
    parser.add_argument("--link-bytes-per-s", type=int, default=256 << 20, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="compute threads (%(default)s)")
    add_outputs(parser)
    parser.set_defaults(module="benchmark.host_tier")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.requests = 1, 24
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    options = parse_arguments(argv)
    publish(options, argv, summary(ending.run(measure(options))), LINE, save_plot)


if __name__ == "__main__":
    main(sys.argv[1:])
