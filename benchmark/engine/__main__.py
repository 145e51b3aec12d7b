"""``python -m benchmark.engine``: SuperInfer, stock SGLang and vLLM under the same load on this machine."""

import argparse
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console

from benchmark import ending
from benchmark.arguments import subset
from benchmark.engine import machine, plans, report
from benchmark.engine.client import EngineError
from benchmark.engine.engines import ENGINES, MissingEngineError
from benchmark.engine.launch import Launcher, console
from benchmark.engine.measure import measure
from benchmark.engine.shape import model_shape
from benchmark.engine.summary import summarise
from superinfer.models import ensure_default_model


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.engine", description=__doc__.partition(": ")[2])
    parser.add_argument("--quick", action="store_true", help="at most ten minutes: less of everything")
    parser.add_argument("--eager", action="store_true", help="vLLM does not compile, which takes it a minute per start")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a chart (.svg)")
    parser.add_argument(
        "--engines",
        type=subset(tuple(ENGINES)),
        metavar="NAME,...",
        help=f"of {', '.join(ENGINES)} (default: all; with --quick one vllm)",
    )
    parser.add_argument(
        "--only",
        type=subset(plans.KINDS),
        default=list(plans.KINDS),
        metavar="KIND,...",
        help=f"of {', '.join(plans.KINDS)} (default: all)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="compute threads of every engine (default: all cores)",
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    arguments = parse_arguments(argv)
    # Whatever ends the benchmark, its servers end with it: a frozen one would stay for ever.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = (plans.quick() if arguments.quick else plans.full()).only(arguments.only)
    model = ensure_default_model()
    description = {
        "command": shlex.join(["python", "-m", "benchmark.engine", *argv]),
        "machine": machine.describe(arguments.threads, model),
        "settings": {"vllm_compiled": not arguments.eager},
    }
    scratch = Path(tempfile.mkdtemp(prefix="superinfer-benchmark-"))
    console.print(f"logs of the engines: {scratch}", soft_wrap=True)
    launcher = Launcher(model, arguments.threads, arguments.eager, scratch)
    try:
        measurement = ending.run(measure(plan, arguments.engines or plan.engines, launcher))
    except (EngineError, MissingEngineError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmark: interrupted", file=sys.stderr)
        return 130
    shape = model_shape(model)
    result = report.document(measurement, plan, shape, description)
    summary = summarise(measurement, shape)
    # A log file has no width to respect.
    output = Console() if sys.stdout.isatty() else Console(width=160)
    output.print(report.table(summary, result["limits"]["bounds_tok_s"]))
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    if arguments.plot:
        from benchmark.engine import plot

        plot.save(summary, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
