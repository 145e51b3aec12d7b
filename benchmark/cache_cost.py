"""What the learned cache rule costs: ``python -m benchmark.cache_cost --json FILE --plot FILE``.

A scheduler under load uses a second of CPU time in a second. What the cache takes of it follows from what a request
costs and how many arrive: twenty a second here, of sixteen nodes each.
"""

import argparse
import resource
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from time import thread_time_ns
from typing import Any

from benchmark.report import add_outputs, publish
from superinfer.cache.evictor import Evictor
from superinfer.cache.guard import Guarded, Watch
from superinfer.cache.learned import Learned
from superinfer.cache.model_file import load
from superinfer.cache.rule import LRU, Rule
from superinfer.cache.use import Use
from superinfer.cli.picture import picture

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TOKENS = 64
TURN_NODES = 8
"""Nodes of a turn: of its prompt, and then of what it adds."""

GAP_S = 0.05
"""Between requests; of the scheduler's CPU time there is as much."""

RULES = ("lru", "learned", "guarded", "deciding")
"""``guarded`` as LRU decides, and ``deciding`` as the learned rule does: the same shadows beside it."""

BAR_NODES, BAR_PERCENT = 100_000, 1.0
LINE = (
    "{rule:>8}, {nodes:>9,} nodes: {use_us:5.1f} us per use, {victim_us:5.1f} us per victim, {request_us:6.0f} us per"
    " request, {share_percent:.2f} % of the scheduler, {bytes_per_node:,} B per node"
)


@dataclass(slots=True)
class Traffic:
    """Conversations that go on, or begin, at random; the cache is full all along."""

    cache: Evictor[int]
    capacity_tokens: int
    random: Random
    seq: int = 0
    born: int = 0
    use_ns: int = 0
    used: int = 0
    victim_ns: int = 0
    victims: int = 0

    def turn(self, tips: list[list[int]]) -> None:
        """One request: uses a conversation's nodes as far as they are there, adds some, and makes room."""
        self.seq += 1
        path = tips[self.random.randrange(len(tips))] if tips and self.random.random() < 0.5 else []
        path += range(self.born, self.born + TURN_NODES)
        self.born += TURN_NODES
        if len(path) == TURN_NODES:
            tips.append(path)
        use = Use(self.seq, GAP_S * self.seq, TOKENS * len(path), TOKENS * TURN_NODES, 200)
        start = thread_time_ns()
        above = None
        for node in path:
            if self.cache.resident(node):
                self.cache.access(node, use)
            else:
                self.cache.insert(node, above, TOKENS, use)
            above = node
        middle = thread_time_ns()
        gone = self.cache.victims(self.cache.resident_tokens - self.capacity_tokens, use.time_s)
        for node in gone:
            self.cache.remove(node)
        end = thread_time_ns()
        self.use_ns, self.used = self.use_ns + middle - start, self.used + len(path)
        self.victim_ns, self.victims = self.victim_ns + end - middle, self.victims + len(gone)
        if len(path) > 8 * TURN_NODES:
            tips.remove(path)

    def forget_times(self) -> None:
        """Begin to measure."""
        self.use_ns = self.used = self.victim_ns = self.victims = 0


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    options = _parser().parse_args(argv)
    results = [_apart(rule, size, options.turns) for size in options.sizes for rule in RULES]
    publish(options, argv, results, LINE, save_plot)
    for result in results:
        if result["nodes"] == BAR_NODES:
            print(
                f"{result['rule']}: {result['share_percent']:.2f} % at {BAR_NODES:,} nodes (aim: {BAR_PERCENT:.0f} %)"
            )


def _apart(rule: str, nodes: int, turns: int) -> dict[str, Any]:
    # In a process of its own: memory that another measurement has freed would be used again, and not be seen.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, rule, nodes, turns).result()


def measure(rule: str, nodes: int, turns: int) -> dict[str, Any]:
    """CPU time of this thread per node used and per victim, with so many nodes resident, and memory per node."""
    warm = Traffic(Evictor(_rule(rule, 50)), 50 * TOKENS, Random(0))
    for _ in range(20):
        warm.turn([])  # compiles
    before = _resident_bytes()
    traffic = Traffic(Evictor(_rule(rule, nodes), ghosts=nodes), nodes * TOKENS, Random(0))
    tips: list[list[int]] = []
    while traffic.cache.resident_tokens < traffic.capacity_tokens:
        traffic.turn(tips)
    for _ in range(turns // 4):
        traffic.turn(tips)
    grown = _resident_bytes() - before
    traffic.forget_times()
    for _ in range(turns):
        traffic.turn(tips)
    return {
        "rule": rule,
        "nodes": nodes,
        "used": traffic.used,
        "victims": traffic.victims,
        "use_us": round(traffic.use_ns / 1000 / traffic.used, 2),
        "victim_us": round(traffic.victim_ns / 1000 / max(traffic.victims, 1), 2),
        "request_us": round((traffic.use_ns + traffic.victim_ns) / 1000 / turns, 1),
        "share_percent": round((traffic.use_ns + traffic.victim_ns) / 1e7 / turns / GAP_S, 3),
        "bytes_per_node": round(grown / nodes),
    }


def _rule(name: str, nodes: int) -> Rule[int]:
    if name == "lru":
        return LRU()
    learned: Learned[int] = Learned(load())
    if name == "learned":
        return learned
    guarded: Guarded[int] = Guarded(learned, nodes * TOKENS, Watch.of(nodes))
    if name == "deciding":
        guarded.learned_decides = True
        guarded.decide = lambda: None  # type: ignore[method-assign]
    return guarded


def _resident_bytes() -> int:
    """Of this process: pages, from /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def save_plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw times and memory against the number of nodes."""
    panels = (
        ("use_us", "CPU time per node used, µs"),
        ("victim_us", "CPU time per victim, µs"),
        ("share_percent", "of the scheduler's CPU time, %"),
        ("bytes_per_node", "memory per node, bytes"),
    )
    with picture(path, 1, len(panels), (14, 3.2)) as axes:
        for axis, (name, title) in zip(axes[0], panels, strict=True):
            for rule in RULES:
                points = [result for result in results if result["rule"] == rule]
                axis.plot(
                    [point["nodes"] for point in points], [point[name] for point in points], marker="o", label=rule
                )
            axis.set(xscale="log", yscale="log", xlabel="nodes in the cache", title=title)
            axis.grid(alpha=0.3)
        axes[0, 2].axhline(BAR_PERCENT, color="grey", linestyle="--", linewidth=1)
        axes[0, -1].legend()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmark.cache_cost", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="nodes in the cache (default: 1k to 1M)")
    parser.add_argument("--turns", type=int, default=2000, help="requests measured for each size (default: 2000)")
    parser.set_defaults(module="benchmark.cache_cost")
    add_outputs(parser)
    return parser


if __name__ == "__main__":
    main()
