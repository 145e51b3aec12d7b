"""What the rotating policy is held to, in the simulator: ``python -m benchmark.scheduling --conv FILE --code FILE``.

Prints a table of bars, what each seed came to, and whether all seeds keep the bar.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from superinfer.cli import plan, simulate
from superinfer.cli.load import build_load
from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline
from superinfer.sim.run import simulate as serve

MACHINE: Final = Roofline(hardware("a100x4"), model("llama-3.1-70b"))
PARTS: Final = ("fcfs", "slack", "overload", "plan")
TO_BEAT: Final = (
    # Trace times, documents/s; then what plain slack attains, its p99 latency over target, first token p99 in s, and
    # tokens/s over first come, first served: of the last, two digits are known, and here is the least that gives them.
    (0.25, 0.4, 0.977, 1.4, 2.0, 0.995),
    (0.25, 0.6, 0.949, 1.4, 2.1, 0.995),
    (0.35, 0.2, 0.936, 2.3, 2.9, 0.995),
    (0.35, 0.4, 0.940, 2.3, 3.2, 0.995),
    (0.35, 0.9, 0.933, 2.7, 3.3, 0.975),
)
KNEE: Final = (0.45, 0.6)
"""Trace times, documents/s: up to here, rotation attains about 93 %."""
GPUS: Final = 22 / 32
"""Published: one pool over two."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the table.

    Attributes:
        load: What is served.
        figure: What is measured.
        at_least: Whether ``limit`` is the least allowed, else it is the most.
        limit: The bar.
        got: What each seed came to.
    """

    load: str
    figure: str
    at_least: bool
    limit: float
    got: Sequence[float]

    @property
    def kept(self) -> bool:
        """Whether all seeds keep it, with as many digits as are printed."""
        got = [round(value, 3) for value in self.got]
        return min(got) >= self.limit if self.at_least else max(got) <= self.limit

    def __str__(self) -> str:
        sign, got = ">=" if self.at_least else "<=", ", ".join(f"{value:.3f}" for value in self.got)
        return f"| {self.load} | {self.figure} | {sign} {self.limit:.3f} | {got} | {'yes' if self.kept else 'no'} |"


@dataclass(frozen=True, slots=True)
class Bench:
    """Serves loads, of which all share a trace of chat.

    Attributes:
        conv: Azure's conversations.
        code: Azure's code completions.
        seeds: Of documents, or of where the code trace begins.
    """

    conv: Path
    code: Path
    seeds: Sequence[int]

    def against_fcfs(self) -> Iterator[Bar]:
        """Where first come, first served attains about 78 %."""
        documents = ("--batch-per-s", "0.4")
        code = ("--batch-trace", str(self.code), "--batch-rate", "0.2")
        for kind, batch in (("documents", documents), ("code", code)):
            fcfs, ours = (self._runs(policy, "--rate", "0.25", *batch) for policy in ("fcfs", "rotation"))
            chat = [(_chat(a), _chat(b)) for a, b in zip(fcfs, ours, strict=True)]
            attained = ", ".join(f"{a['share']:.3f}" for a, _ in chat)
            name = f"{kind} (fcfs attains {attained})"
            yield Bar(name, "attained", True, 0.98, [b["share"] for _, b in chat])
            yield Bar(name, "latency over target p99, of fcfs", False, 0.5, _ratios(chat, "norm_p99"))
            for band, up_to in enumerate(b["prompt_tokens_up_to"] for b in chat[0][0]["ttft_by_prompt"]):
                pairs = [(a["ttft_by_prompt"][band], b["ttft_by_prompt"][band]) for a, b in chat]
                if all(a["sent"] for a, _ in pairs):
                    of = f"first token p99 up to {up_to} tokens, of fcfs"
                    yield Bar(name, of, False, 1.0, _ratios(pairs, "ttft_p99_ms"))
            yield Bar(name, "tokens/s, of fcfs", True, 0.99, _ratios(zip(fcfs, ours, strict=True), "tokens_per_s"))

    def against_slack(self) -> Iterator[Bar]:
        """The figures of plain slack in the first design."""
        for rate, documents, attained, over_target, first_s, tokens in TO_BEAT:
            args, name = ("--rate", str(rate), "--batch-per-s", str(documents)), f"{rate}, {documents}/s"
            fcfs, ours = self._runs("fcfs", *args), self._runs("rotation", *args)
            yield Bar(name, "attained", True, attained, [_chat(one)["share"] for one in ours])
            yield Bar(name, "latency over target p99", False, over_target, [_chat(one)["norm_p99"] for one in ours])
            yield Bar(name, "first token p99, s", False, first_s, [_chat(one)["ttft_p99_ms"] / 1e3 for one in ours])
            yield Bar(name, "tokens/s, of fcfs", True, tokens, _ratios(zip(fcfs, ours, strict=True), "tokens_per_s"))

    def overload(self) -> Iterator[Bar]:
        """Twice the knee."""
        loads = [("--rate", str(of * KNEE[0]), "--batch-per-s", str(of * KNEE[1])) for of in (1, 2)]
        knee, twice = ([_chat(run) for run in self._runs("rotation", *args)] for args in loads)
        goodput = _ratios(zip(knee, twice, strict=True), "goodput_per_s")
        yield Bar("twice the knee", "goodput, of the knee's", True, 0.8, goodput)

    def gpus(self) -> Iterator[Bar]:
        """One pool under rotation over two under each policy."""
        args = ["--rate=1.5", "--duration-s=300", "--batch-per-s=2", "--batch-deadline-s=60", "--attainment=0.95"]
        plans = [plan.make_plan(_plan_options(self.conv, seed, args))["policies"] for seed in self.seeds]
        # Two pools are what one does without rotation; under it, too, one must not need more.
        for policy, limit in (("fcfs", GPUS), ("rotation", 1.0)):
            got = [one["rotation"]["one_pool"]["gpus"] / one[policy]["two_pools"]["gpus"] for one in plans]
            yield Bar("plan", f"GPUs, of two pools under {policy}", False, limit, got)

    def _runs(self, policy: str, *args: str) -> list[Figures]:
        options = simulate.build_parser().parse_args(["--trace", str(self.conv), *args])
        return [serve(build_load(options, MACHINE, seed), policy, MACHINE).figures() for seed in self.seeds]


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the loads, and print the table as it comes."""
    options = _parser().parse_args(argv)
    bench = Bench(options.conv, options.code, options.seeds)
    parts = {"fcfs": bench.against_fcfs, "slack": bench.against_slack, "overload": bench.overload, "plan": bench.gpus}
    print(f"| load | figure | bar | seeds {', '.join(map(str, options.seeds))} | kept |")
    print("|---|---|---|---|---|")
    bars = []
    for part in options.parts:
        for bar in parts[part]():
            print(bar, flush=True)
            bars.append(bar)
    if options.json:
        rows = [asdict(bar) | {"kept": bar.kept} for bar in bars]
        options.json.write_text(json.dumps({"seeds": options.seeds, "bars": rows}, indent=2) + "\n")


def _chat(figures: Figures) -> Figures:
    of_class: Figures = figures["classes"]["interactive"]
    return of_class


def _ratios(pairs: Iterable[tuple[Figures, Figures]], figure: str) -> list[float]:
    """The second over the first."""
    return [ours[figure] / theirs[figure] for theirs, ours in pairs]


def _plan_options(conv: Path, seed: int, args: Sequence[str]) -> argparse.Namespace:
    return plan.build_parser().parse_args(["--trace", str(conv), "--seed", str(seed), *args])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmark.scheduling", description=__doc__)
    parser.add_argument("--conv", type=Path, required=True, metavar="FILE", help="Azure's conversations, 2023")
    parser.add_argument("--code", type=Path, required=True, metavar="FILE", help="Azure's code completions, 2023")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of documents (default: 0 1 2)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="of the table (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the bars")
    return parser


if __name__ == "__main__":
    main()
