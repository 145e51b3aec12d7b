"""``superinfer train reuse``: a predictor of reuse from access logs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from superinfer.cli.errors import UserError


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer train``."""
    parser = argparse.ArgumentParser(
        prog="superinfer train",
        description="Learn from what a server did. 'reuse': from access logs or traces, when the prefixes in the cache "
        "will be used again. Takes a minute for ten thousand requests; the same logs give the same file.",
    )
    parser.add_argument("what", choices=["reuse"], help="what to learn")
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOG", help="access logs, or traces in Mooncake's format")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="predictor to write (safetensors)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    return parser


def run(argv: Sequence[str]) -> int:
    """Learn, write the predictor, and say on stderr how good it is."""
    options = build_parser().parse_args(argv)
    # Not for --help: torch takes seconds.
    from superinfer.cache.model_file import save
    from superinfer.sim.cache.trace import read_requests
    from superinfer.training.fit import Recipe, fit

    try:
        load = read_requests(*options.logs)
        fitted = fit(load, Recipe(seed=options.seed))
        save(fitted.predictor, options.out, f"{len(load)} requests of {', '.join(log.name for log in options.logs)}")
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    print(
        f"{options.out}: {fitted.predictor.parameters} parameters, {fitted.epochs} passes; negative log likelihood per "
        f"use in the held-out part {fitted.loss:.3f}, without the predictor {fitted.loss_without:.3f}",
        file=sys.stderr,
    )
    return 0
