"""``superinfer simulate``: a load under several policies, on a machine that is not at hand."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from superinfer.cli.errors import UserError
from superinfer.cli.load import add_load_arguments, build_load
from superinfer.cli.simulate_kv import show_kv
from superinfer.cli.simulate_output import show, show_bands, write_csv, write_json
from superinfer.cli.simulate_plot import check_plot, plot
from superinfer.cli.simulate_validation import show_comparisons, write_comparisons
from superinfer.kv import Format
from superinfer.sim.calibrate import Fit, fit
from superinfer.sim.hardware import hardware
from superinfer.sim.kv_account import KvAccount, parse_formats, shape_of
from superinfer.sim.machine import Machine
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline
from superinfer.sim.run import policy_names
from superinfer.sim.sweep import Point, sweep
from superinfer.sim.validate import compare
from superinfer.workload.steps import read_steps

T = TypeVar("T")


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer simulate``."""
    parser = argparse.ArgumentParser(
        prog="superinfer simulate",
        description="Serve a trace, and documents as batch beside it, under scheduling policies on a cost model of "
        "hardware and model. Interactive requests (all of the trace, without --slo-mix) are promised a first token "
        "within max(--ttft-ms, 3 x its prefill alone) and --tpot-ms per token. 'superinfer simulate cache' compares "
        "eviction rules instead.",
    )
    add_load_arguments(parser, batch_deadline_s=None).add_argument(
        "--validate",
        type=Path,
        metavar="FILE",
        help="requests that a real server measured, as JSON: serve these, and compare latencies",
    )
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--hardware", default="a100x4", help="a100, h100, gh200 or cpu, xN for several (default: a100x4)"
    )
    machine.add_argument("--model", default="llama-3.1-70b", help="model shape (default: llama-3.1-70b)")
    machine.add_argument(
        "--calibrate",
        type=Path,
        metavar="FILE",
        help="steps that a real server measured, as JSON: simulate that machine and model instead",
    )
    runs = parser.add_argument_group("runs")
    runs.add_argument("--policy", default="fcfs,slack,rotation", help="policies, separated by commas; or all")
    runs.add_argument(
        "--loads", default="1", metavar="FACTORS", help="times the rates, with commas between (default: 1)"
    )
    seeds = runs.add_mutually_exclusive_group()
    seeds.add_argument("--seed", default="0", dest="seeds", metavar="SEED", help="of everything random (default: 0)")
    seeds.add_argument("--seeds", help="several, separated by commas")
    runs.add_argument(
        "--kv-formats",
        type=_kv_formats,
        metavar="CLASS:FORMAT,...",
        help="count bytes of KV with these formats, such as batch:int4, beside those of native KV",
    )
    runs.add_argument("--bands", action="store_true", help="print times to first token by prompt length, too")
    runs.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    runs.add_argument("--csv", type=Path, metavar="FILE", help="write a row per policy, load, seed and class")
    runs.add_argument("--plot", type=Path, metavar="FILE", help="draw goodput, attainment, latencies: .svg or .png")
    return parser


def run(argv: Sequence[str]) -> int:
    """Simulate, print a table, and write what was asked for."""
    if argv[:1] == ["cache"]:
        # Only here: it compiles.
        from superinfer.cli import simulate_cache

        return simulate_cache.run(argv[1:])
    options = build_parser().parse_args(argv)
    if options.plot:
        # Not after the runs: they may take minutes.
        check_plot(options.plot)
    try:
        if options.validate:
            return _validate(options)
        points = _points(options)
        show(points)
        if options.bands:
            show_bands(points)
        if options.kv_formats:
            show_kv(points)
        if options.json:
            write_json(points, options.json)
        if options.csv:
            write_csv(points, options.csv)
        if options.plot:
            plot(points, options.plot)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    return 0


def _validate(options: argparse.Namespace) -> int:
    measured, fitted = read_steps(options.validate), _fit(options)
    comparisons = {
        name: compare(measured, name, fitted.swinging(measured), fitted.steps)
        if fitted
        else compare(measured, name, _machine(options))
        for name in policy_names(options.policy)
    }
    show_comparisons(comparisons)
    if options.json:
        write_comparisons(comparisons, options.json)
    return 0


def _points(options: argparse.Namespace) -> list[Point]:
    machine, account = _machine(options), _account(options)
    return sweep(
        policies=policy_names(options.policy),
        loads=_numbers("--loads", options.loads, float),
        seeds=_numbers("--seeds", options.seeds, int),
        load_of=lambda factor, seed: build_load(options, machine, seed, factor),
        machine=machine,
        kv=account,
    )


def _account(options: argparse.Namespace) -> Callable[[], KvAccount | None]:
    if not options.kv_formats:
        return lambda: None
    if options.calibrate:
        raise ValueError("--kv-formats needs --model: a measured machine does not say what its model keeps of a token")
    shape = shape_of(model(options.model))
    return lambda: KvAccount(shape, options.kv_formats)


def _kv_formats(text: str) -> dict[str, Format]:
    try:
        return parse_formats(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _machine(options: argparse.Namespace) -> Machine:
    fitted = _fit(options)
    return Roofline(hardware(options.hardware), model(options.model)) if fitted is None else fitted.machine


def _fit(options: argparse.Namespace) -> Fit | None:
    """The machine of ``--calibrate``, if that is given."""
    if options.calibrate is None:
        return None
    measured = read_steps(options.calibrate)
    fitted = fit(measured)
    print(
        f"{measured.model} on {measured.machine}: learnt from {fitted.learnt} steps; of {fitted.judged} others, "
        f"predictions err by {100 * fitted.error_p50:.1f} % (median), {100 * fitted.error_p90:.1f} % (p90)",
        file=sys.stderr,
    )
    return fitted


def _numbers(name: str, text: str, kind: Callable[[str], T]) -> list[T]:
    try:
        return list(dict.fromkeys(kind(part) for part in text.split(",")))
    except ValueError:
        raise ValueError(f"{name} {text!r}: not numbers separated by commas") from None
