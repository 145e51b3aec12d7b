"""Which prefixes a server keeps, and what that is worth: ``python -m benchmark.cache_server --json FILE --plot FILE``.

Every system is SuperInfer with its scheduler and kernels, and has the same bytes of KV; they differ in what is evicted,
and one keeps its KV in fewer bits. About forty minutes on two quiet cores. The file is written anew after every load,
so that a run that is cut short has not been for nothing.
"""

import argparse
import asyncio
import re
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any
from urllib.request import urlopen

import msgspec

from benchmark import ending
from benchmark.arguments import subset
from benchmark.cache_load import SLACK_MS, CacheLoad, add_load_arguments, pool_for
from benchmark.engine import machine
from benchmark.engine.client import Answer, EngineError
from benchmark.engine.engines import ENGINES, Engine, Setting
from benchmark.engine.launch import console
from benchmark.engine.servers import Server, free_port, running
from benchmark.engine.workloads import Request, Urgency
from benchmark.kv_server.systems import NATIVE_TOKEN_BYTES, with_room
from superinfer.cache.model_file import save
from superinfer.cli.picture import picture
from superinfer.models import ensure_default_model
from superinfer.sim.cache.trace import read_requests
from superinfer.workload.attainment import percentile

_PROMISES: Mapping[Urgency, Mapping[str, Any]] = {
    Urgency.PLAIN: {},
    Urgency.CHAT: {"slo": {"class": "interactive", "ttft_ms": SLACK_MS[Urgency.CHAT], "tpot_ms": 150}},
    Urgency.AGENT: {"slo": {"class": "standard", "deadline_ms": SLACK_MS[Urgency.AGENT]}},
    Urgency.BATCH: {"slo": {"class": "batch"}},
}
_TLRU = '{"threshold": 512, "next_prompt_estimate": 128}'
_COMPUTED = re.compile(r'^sglang:realtime_tokens_total\{[^}]*mode="prefill_compute"[^}]*\} (\S+)$', re.MULTILINE)
_DECIDES = re.compile(r"^superinfer:cache_learned_ratio\{[^}]*\} (\S+)$", re.MULTILINE)

SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "formats": (),
    "trained": (),
    "learned": (),
    "lru": ("--radix-eviction-policy", "lru"),
    "slru": ("--radix-eviction-policy", "slru"),
    "tlru": ("--radix-eviction-policy", "tlru", "--radix-eviction-policy-config", _TLRU),
    "priority": ("--radix-eviction-policy", "priority"),
}
"""System by name, and its arguments. ``learned`` has the built-in predictor; ``trained`` one learnt from the access log
of that server; ``formats`` is ``learned`` with the same bytes as its ``--kv-budget``, in which chat and agents accept
8 bits and documents 4. All others are SGLang's own rules in SGLang's own cache."""

OURS = ("formats", "learned", "trained")

PRIORITIES: Mapping[Urgency, int] = {Urgency.BATCH: 0, Urgency.AGENT: 1, Urgency.CHAT: 1}
"""What requests tell the system of that name: SGLang's rule does best here if only documents have a lower one."""

FORMATS: Mapping[Urgency, str] = {Urgency.CHAT: "int8", Urgency.AGENT: "int8", Urgency.BATCH: "int4"}
"""What requests accept where there are several."""

BARS = {"chat_ttft_p99_ms": 0.75, "prefill_tokens": 0.8}
"""Figure, and the part of the best other system's that is the aim; throughput should be no lower."""


@dataclass(frozen=True, slots=True)
class Run:
    """One load on one system, once.

    Attributes:
        chat_ttft_ms: Of each turn of a conversation.
    """

    system: str
    seed: int
    figures: dict[str, float]
    chat_ttft_ms: Sequence[float]


@dataclass(frozen=True, slots=True)
class System:
    """A server, and where it listens."""

    server: Server
    url: str

    @property
    def name(self) -> str:
        """As on the command line."""
        return self.server.engine.name


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.cache_server", description="Eviction on a real server.")
    parser.add_argument("--quick", action="store_true", help="one seed of 45 s after 60 s of learning")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it; needs matplotlib")
    parser.add_argument(
        "--systems", type=subset(SYSTEMS), default=tuple(SYSTEMS), metavar="NAME,...", help=", ".join(SYSTEMS)
    )
    add_load_arguments(parser)
    parser.add_argument("--warm-s", type=float, default=30.0, help="the same for rules that do not learn (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="compute threads of each system (%(default)s)")
    options = parser.parse_args(argv)
    if "trained" in options.systems and "learned" not in options.systems:
        parser.error("trained learns from the log of learned: name both")
    if options.quick:
        options.seeds, options.seconds, options.learn_s = 1, 45.0, 60.0
    return options


def main(argv: Sequence[str]) -> int:
    options = parse_arguments(argv)
    load = CacheLoad.of(options, options.seconds)
    pool_tokens = pool_for([load.requests(seed) for seed in range(options.seeds)], options.share)
    about = {
        "command": shlex.join(["python", "-m", "benchmark.cache_server", *argv]),
        "pool_tokens": pool_tokens,
        "machine": machine.describe(options.threads, ensure_default_model()),
    }
    result: dict[str, Any] = {}

    def write(runs: Sequence[Run]) -> None:
        result.update(document(runs) | about, complete=len(runs) == options.seeds * len(options.systems))
        if options.json:
            options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")

    try:
        ending.run(measure(options, load, pool_tokens, write))
    except EngineError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    for name, ratios in result["ratios"].items():
        shown = ", ".join(f"{system} {ratio:.3f}" for system, ratio in ratios.items())
        aim = f"at most {BARS[name]}" if name in BARS else "at least 1"
        print(f"{name}, over the best of SGLang's rules: {shown} (aim: {aim})")
    if options.plot:
        draw(result, options.plot)
    return 0


async def measure(
    options: argparse.Namespace, load: CacheLoad, pool_tokens: int, write: Callable[[Sequence[Run]], None]
) -> None:
    """Start all systems, let each see the load for a while, then load them in turn; who does not serve is frozen.

    Args:
        write: Is given what was measured so far, after every load.
    """
    learn = replace(load, seconds=options.learn_s).requests(-1)
    warm = replace(load, seconds=options.warm_s).requests(-1)
    runs: list[Run] = []
    folder = Path(tempfile.mkdtemp(prefix="superinfer-cache-train-"))
    log, model = folder / "access.jsonl", folder / "reuse.safetensors"
    async with AsyncExitStack() as stack:
        systems = []
        for name in sorted(options.systems, key=lambda name: name == "trained"):  # after the one that writes its log
            cache = {"learned": f'access_log = "{log}"', "trained": f'model = "{model}"'}.get(name, "")
            if name == "trained" and not _trained(log, model):
                continue
            system = await stack.enter_async_context(_start(name, options, pool_tokens, cache))
            warmed, _ = await _serve(system, learn if name in OURS else warm)
            console.print(f"{name}: {warmed}", soft_wrap=True)
            systems.append(system)
        for seed in range(options.seeds):
            first = seed % len(systems)  # what drifts favours nobody
            for system in systems[first:] + systems[:first]:
                runs.append(Run(system.name, seed, *await _serve(system, load.requests(seed))))
                write(runs)
                shown = ", ".join(f"{name} {value:.4g}" for name, value in runs[-1].figures.items())
                console.print(f"seed {seed}: {system.name}: {shown}", soft_wrap=True)


def _trained(log: Path, model: Path) -> bool:
    """Write a predictor learnt from an access log, if there is enough in it."""
    from superinfer.training.fit import fit  # torch, which nothing else here needs

    requests = read_requests(log)
    try:
        predictor = fit(requests).predictor
    except ValueError as error:
        console.print(f"without trained, a longer --learn-s would help: {error}", soft_wrap=True)
        return False
    save(predictor, model, f"{len(requests)} requests of benchmark.cache_server")
    return True


@asynccontextmanager
async def _start(name: str, options: argparse.Namespace, pool_tokens: int, cache: str) -> AsyncIterator[System]:
    scratch = Path(tempfile.mkdtemp(prefix=f"superinfer-cache-{name}-"))
    setting = Setting(ensure_default_model(), free_port(), options.threads, scratch, options.quick)
    async with running(_engine(name, setting, pool_tokens, cache), setting.port, scratch / "server.log") as server:
        console.print(f"{name}: first token after {server.startup.ready_s:.1f} s, log in {scratch}", soft_wrap=True)
        server.freeze()
        yield System(server, f"http://127.0.0.1:{setting.port}")


def _engine(name: str, setting: Setting, pool_tokens: int, cache: str) -> Engine:
    file = setting.scratch / "superinfer.toml"
    file.write_text(f"[cache]\n{cache}\n")
    engine = ENGINES["superinfer"](setting)
    room = ("--max-total-tokens", str(pool_tokens))
    fields = _PROMISES
    if name == "priority":
        ranked = {urgency: {**_PROMISES[urgency], "priority": rank} for urgency, rank in PRIORITIES.items()}
        fields = {**_PROMISES, **ranked}
    elif name == "formats":
        room = ("--kv-budget", str(pool_tokens * NATIVE_TOKEN_BYTES))
        accepting = {urgency: {"slo": {**_PROMISES[urgency]["slo"], "kv": kv}} for urgency, kv in FORMATS.items()}
        fields = {**_PROMISES, **accepting}
    command = [*with_room(engine, *room), "--enable-metrics", "--slo-classes", str(file), *SYSTEMS[name]]
    return replace(engine, name=name, command=command, fields=fields)


async def _serve(system: System, requests: Sequence[Request]) -> tuple[dict[str, float], list[float]]:
    """What a load shows, and chat's times to first token."""
    system.server.thaw()
    try:
        before = await _metric(system, _COMPUTED)
        answers = await system.server.client.run(requests, sequential=False)
        computed = await _metric(system, _COMPUTED) - before
        decides = await _metric(system, _DECIDES)
        return figures(answers, computed) | {"learned_decides": decides}, chat_ttft_ms(answers)
    finally:
        system.server.freeze()


async def _metric(system: System, pattern: "re.Pattern[str]") -> float:
    text = await asyncio.to_thread(lambda: urlopen(f"{system.url}/metrics", timeout=60).read().decode())
    return sum(float(value) for value in pattern.findall(text))


def figures(answers: Sequence[Answer], prefill_tokens: float) -> dict[str, float]:
    """What one run of a load says; ``again`` are turns of conversations after the first, which can find something."""
    start_s, end_s = min(a.sent_s for a in answers), max(a.last_token_s for a in answers)
    chat, again = chat_ttft_ms(answers), chat_ttft_ms([a for a in answers if a.request.after is not None])
    agents = [1000 * a.e2e_s for a in answers if a.request.urgency is Urgency.AGENT]
    return {
        "chat_ttft_p99_ms": percentile(chat, 99),
        "chat_ttft_p50_ms": percentile(chat, 50),
        "again_ttft_p50_ms": percentile(again, 50) if again else 0.0,
        "again_ttft_mean_ms": fmean(again) if again else 0.0,
        "step_p99_ms": percentile(agents, 99) if agents else 0.0,
        "prefill_tokens": prefill_tokens,
        "prompt_tokens": float(sum(len(a.request.prompt) for a in answers)),
        "tokens_per_s": sum(a.request.max_tokens + len(a.request.prompt) for a in answers) / (end_s - start_s),
        "sent": float(len(answers)),
    }


def chat_ttft_ms(answers: Sequence[Answer]) -> list[float]:
    """Times to first token of those that are turns of conversations."""
    return [1000 * answer.ttft_s for answer in answers if answer.request.urgency is Urgency.CHAT]


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians over the seeds, how the learned rule compares with the best of the others, and every run.

    Chat's 99th percentile is that of the turns of all seeds: there are too few in one.
    """
    systems = dict.fromkeys(run.system for run in runs)
    result: dict[str, Any] = {
        figure: {name: median(run.figures[figure] for run in runs if run.system == name) for name in systems}
        for figure in runs[0].figures
    }
    result["chat_ttft_p99_ms"] = {
        name: percentile([each for run in runs if run.system == name for each in run.chat_ttft_ms], 99)
        for name in systems
    }
    best: Mapping[str, Callable[..., float]] = {"chat_ttft_p99_ms": min, "prefill_tokens": min, "tokens_per_s": max}
    ratios: dict[str, dict[str, float]] = {}
    for figure, choose in best.items():
        others = [value for name, value in result[figure].items() if name not in OURS]
        for ours in OURS:
            if others and ours in systems:
                ratios.setdefault(figure, {})[ours] = result[figure][ours] / choose(others)
    return {"medians": result, "ratios": ratios, "runs": [asdict(run) for run in runs]}


def draw(result: Mapping[str, Any], file: Path) -> None:
    """A panel per figure, a bar per system."""
    panels = {"chat_ttft_p99_ms": "chat, first token, p99, ms", "prefill_tokens": "prompt tokens computed"}
    panels["tokens_per_s"] = "tokens/s, prompts included"
    with picture(file, 1, len(panels), (9, 2.6)) as axes:
        for axis, (name, title) in zip(axes[0], panels.items(), strict=True):
            values = result["medians"][name]
            axis.barh(list(values), list(values.values()), color="#74c0fc")
            axis.invert_yaxis()
            axis.set_title(title, fontsize=9, loc="left")
            axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
