"""How long a decision of the rotating policy takes: ``python -m benchmark.decisions --json FILE --plot FILE``."""

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.crowd import Crowd

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
    for result in results:
        print(LINE.format(**result))
    report = {
        "command": shlex.join(["python", "-m", "benchmark.decisions", *(sys.argv[1:] if argv is None else argv)]),
        "machine": machine(),
        "results": results,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.plot:
        save_plot(results, options.plot)


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


def machine() -> dict[str, Any]:
    """What it was measured on."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_1_5_15_min": os.getloadavg(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def save_plot(results: Sequence[dict[str, Any]], file: Path) -> None:
    """Percentiles over the number of requests, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Text as text keeps the file small and lets it be searched.
    pyplot.rcParams["svg.fonttype"] = "none"
    figure, axis = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    requests = [result["requests"] for result in results]
    for name, colour in (("p50", "#0b7285"), ("p99", "#e8590c")):
        axis.plot(
            requests, [result[f"cpu_{name}_us"] for result in results], "o-", color=colour, label=name, markersize=4
        )
    axis.axhline(BAR_US, color="#adb5bd", linewidth=0.8)
    axis.set(xscale="log", yscale="log", xlabel="requests", ylabel="CPU time of a decision, us")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    # No date in the file: the same figures give the same bytes.
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmark.decisions", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of requests")
    parser.add_argument("--seeds", type=int, default=3, help="different crowds per number (default: 3)")
    parser.add_argument("--passes", type=int, default=300, help="decisions per crowd (default: 300)")
    parser.add_argument("--json", type=Path, help="write figures, command and machine")
    parser.add_argument("--plot", type=Path, help="draw them; needs the extra plot")
    return parser


if __name__ == "__main__":
    main()
