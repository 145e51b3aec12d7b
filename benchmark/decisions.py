"""How long a decision of the rotating policy takes: ``python -m benchmark.decisions --json FILE --plot FILE``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.crowd import Crowd
from benchmark.report import add_outputs, publish
from superinfer.cli.picture import picture

SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000)
WARM_UP = 10
LINE = (
    "{requests:>6} requests: p50 {cpu_p50_us:6.0f} us, p99 {cpu_p99_us:6.0f} us of CPU; "
    "p50 {wall_p50_us:6.0f} us, p99 {wall_p99_us:6.0f} us by the clock"
)
BAR_US = 1000
"""What a decision among a thousand requests may take at its 99th percentile."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    options = _parser().parse_args(argv)
    results = [measure(size, options.seeds, options.passes) for size in options.sizes]
    publish(options, argv, results, LINE, save_plot)


def measure(size: int, seeds: int, passes: int) -> dict[str, Any]:
    """Times of ``passes`` decisions in a row for each seed, among ``size`` requests, in microseconds.

    ``cpu`` counts the deciding thread's own time, ``wall`` also what others on the machine took from it.
    """
    times = np.array([_times_us(Crowd(size, seed), passes) for seed in range(seeds)])
    cpu, wall = times[..., 0], times[..., 1]
    return {
        "requests": size,
        "decisions": cpu.size,
        "cpu_p50_us": _percentile(cpu, 50),
        "cpu_p99_us": _percentile(cpu, 99),
        "cpu_p99_us_by_seed": [_percentile(of_seed, 99) for of_seed in cpu],
        "wall_p50_us": _percentile(wall, 50),
        "wall_p99_us": _percentile(wall, 99),
    }


def _percentile(times_us: NDArray[np.float64], percent: float) -> float:
    return round(float(np.percentile(times_us, percent)), 1)


def _times_us(crowd: Crowd, passes: int) -> list[tuple[float, float]]:
    times: list[tuple[float, float]] = []
    for _ in range(WARM_UP + passes):
        pool = crowd.pool
        start, cpu_start = perf_counter_ns(), thread_time_ns()
        plan = crowd.policy.decide(crowd.now_us, crowd.jobs, pool)
        cpu_end, end = thread_time_ns(), perf_counter_ns()
        times.append(((cpu_end - cpu_start) / 1000, (end - start) / 1000))
        crowd.carry_out(plan)
    return times[WARM_UP:]


def save_plot(results: Sequence[dict[str, Any]], file: Path) -> None:
    """Percentiles over the number of requests, both logarithmic."""
    with picture(file, 1, 1, (6, 3.5)) as axes:
        axis = axes[0, 0]
        requests = [result["requests"] for result in results]
        for name, colour in (("p50", "#0b7285"), ("p99", "#e8590c")):
            times_us = [result[f"cpu_{name}_us"] for result in results]
            axis.plot(requests, times_us, "o-", color=colour, label=name, markersize=4)
        axis.axhline(BAR_US, color="#adb5bd", linewidth=0.8)
        axis.set(xscale="log", yscale="log", xlabel="requests", ylabel="CPU time of a decision, us")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmark.decisions", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of requests")
    parser.add_argument("--seeds", type=int, default=3, help="different crowds per number (default: 3)")
    parser.add_argument("--passes", type=int, default=300, help="decisions per crowd (default: 300)")
    parser.set_defaults(module="benchmark.decisions")
    add_outputs(parser)
    return parser


if __name__ == "__main__":
    main()
