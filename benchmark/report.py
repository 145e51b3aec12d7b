"""Results of a benchmark in one process: printed, with command and machine as JSON, and as a picture."""

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Results = Sequence[dict[str, Any]]


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``publish``."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures, command and machine")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them; needs the extra plot")


def publish(
    options: argparse.Namespace,
    argv: Sequence[str] | None,
    results: Results,
    line: str,
    save_plot: Callable[[Results, Path], None],
) -> None:
    """Print, and write what was asked for.

    Args:
        options: Of a parser with ``add_outputs``; it has the name of the module as ``module``.
        argv: The arguments; those of the process if not given.
        results: Figures by name.
        line: How to print one of them.
        save_plot: How to draw them.
    """
    for result in results:
        print(line.format(**result))
    report = {
        "command": shlex.join(["python", "-m", options.module, *(sys.argv[1:] if argv is None else argv)]),
        "machine": machine(),
        "results": results,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.plot:
        save_plot(results, options.plot)


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
