"""``superinfer simulate cache``: a trace on caches of several sizes, under several eviction rules."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from superinfer.cache.errors import ModelFileError
from superinfer.cache.model_file import load as load_predictor
from superinfer.cache.predictor import Predictor
from superinfer.cache.score import Cost
from superinfer.cli.errors import UserError
from superinfer.sim.cache.compare import RULES, Scores, gap_closed, makers, score
from superinfer.sim.cache.trace import Request, read_requests
from superinfer.sim.hardware import hardware
from superinfer.sim.models import model
from superinfer.sim.roofline import Roofline

NEEDED = ("lru", "belady", "learned")
"""Rules without which the gap cannot be told."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer simulate cache``."""
    parser = argparse.ArgumentParser(
        prog="superinfer simulate cache",
        description="Replay a trace on a cache of prefixes under several eviction rules. All of them run through the "
        "whole trace; those that learn do so on its first part, and hits count in the rest. 'learned' is ours with its "
        "guard, 'belady' knows the future. The time to the first token is that of a queue of prefills on a cost model.",
    )
    add = parser.add_argument
    add("--trace", required=True, type=Path, help="requests: Mooncake's JSON lines, an access log, or Azure's CSV")
    add(
        "--capacity-tokens",
        default="600000,1500000,3000000",
        metavar="SIZES",
        help="of the cache (default: %(default)s)",
    )
    add("--train-fraction", type=float, default=0.5, help="of the requests, the part to learn from (default: 0.5)")
    add("--predictor", type=Path, metavar="FILE", help="use this one instead of learning from the trace")
    add("--policy", default="all", help="rules, separated by commas (default: all)")
    add("--hardware", default="h100x4", help="for the first token: as in superinfer simulate (default: h100x4)")
    add("--model", default="llama-3.1-8b", help="for the first token (default: llama-3.1-8b)")
    add("--rate", type=float, default=1.0, help="for the first token: speed of the trace (default: 1)")
    add("--seed", type=int, default=0, help="of everything random (default: 0)")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    return parser


def run(argv: Sequence[str]) -> int:
    """Replay, print a table, and write what was asked for."""
    options = build_parser().parse_args(argv)
    try:
        report = make_report(options)
        _show(report)
        if options.json:
            options.json.write_text(json.dumps(report, indent=2) + "\n")
    except (ValueError, OSError, ModelFileError) as error:
        raise UserError(str(error)) from error
    return 0


def make_report(options: argparse.Namespace) -> dict[str, Any]:
    """All figures, ready for JSON: ``{"hits": {rule: {capacity: share}}, "gap_closed": {capacity: share}, ...}``.

    Raises:
        ValueError: An argument or a line of the trace cannot be used.
        ModelFileError: The predictor cannot be used.
    """
    load = read_requests(options.trace)
    learnt = int(len(load) * options.train_fraction)
    if not 0 < learnt < len(load):
        raise ValueError(
            f"--train-fraction {options.train_fraction} of {len(load)} requests leaves nothing to learn or score"
        )
    machine = Roofline(hardware(options.hardware), model(options.model))
    names, capacities = _names(options.policy), _capacities(options.capacity_tokens)
    predictor, origin = _predictor(options, load[:learnt])
    rules = makers(load, learnt, predictor, Cost())
    report: dict[str, Any] = {"trace": options.trace.name, "scored_requests": len(load) - learnt, "predictor": origin}
    for name in names:
        for capacity in capacities:
            scores = score(load, learnt, capacity, rules[name](capacity), machine, options.rate)
            _put(report, name, capacity, scores)
    report["gap_closed"] = {
        str(capacity): gap_closed({name: report["hits"][name][str(capacity)] for name in NEEDED})
        for capacity in capacities
        if set(NEEDED) <= set(names)
    }
    return report


def _put(report: dict[str, Any], name: str, capacity: int, scores: Scores) -> None:
    for figure, value in asdict(scores).items():
        report.setdefault(figure, {}).setdefault(name, {})[str(capacity)] = value


def _predictor(options: argparse.Namespace, load: Sequence[Request]) -> tuple[Predictor, str]:
    if options.predictor:
        return load_predictor(options.predictor), options.predictor.name
    # Only here: torch takes seconds to import.
    from superinfer.training.fit import Recipe, fit

    try:
        fitted = fit(load, Recipe(seed=options.seed))
    except ValueError as error:
        print(f"the built-in predictor serves: {error}", file=sys.stderr)
        return load_predictor(), "built-in"
    return fitted.predictor, f"learnt from {len(load)} requests"


def _names(text: str) -> list[str]:
    names = list(RULES) if text == "all" else list(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in RULES]:
        raise ValueError(f"--policy {unknown[0]!r} is not known: {', '.join(RULES)}, or all")
    return names


def _capacities(text: str) -> list[int]:
    try:
        sizes = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise ValueError(f"--capacity-tokens {text!r}: not positive whole numbers separated by commas")
    return sizes


def _show(report: dict[str, Any]) -> None:
    capacities = list(next(iter(report["hits"].values())))
    table = Table("rule", *(f"{int(capacity):,} tokens" for capacity in capacities), title="hits, TTFT p99")
    for name, hits in report["hits"].items():
        ttft = report["ttft_p99_ms"][name]
        table.add_row(name, *(f"{100 * hits[size]:.2f} %, {ttft[size]:,.0f} ms" for size in capacities))
    if report["gap_closed"]:
        shares = (report["gap_closed"][size] for size in capacities)
        table.add_row("gap closed", *("–" if share is None else f"{100 * share:.0f} %" for share in shares))
    Console().print(table)
