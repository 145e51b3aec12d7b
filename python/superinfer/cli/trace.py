"""``superinfer trace``: what the scheduler decides, as a file for a trace viewer."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from superinfer.cli.connection import add_recording, recorded
from superinfer.cli.errors import UserError
from superinfer.observe.perfetto import trace_of


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer trace``."""
    parser = argparse.ArgumentParser(
        prog="superinfer trace",
        description="Record a server's events, and write a trace that ui.perfetto.dev or chrome://tracing opens: a "
        "track for each request, the engine's steps, and counters. Ctrl-C ends the recording early.",
    )
    add_recording(parser, seconds=10.0)
    parser.add_argument(
        "--out", type=Path, default=Path("trace.json"), metavar="FILE", help="the trace (default: %(default)s)"
    )
    return parser


def run(argv: Sequence[str]) -> int:
    """Record and write."""
    options = build_parser().parse_args(argv)
    deliveries = recorded(options)
    if not deliveries:
        raise UserError(f"nothing is published on {options.events}: an idle server would still say that it is alive")
    try:
        options.out.write_bytes(msgspec.json.encode(trace_of(deliveries)))
    except OSError as error:
        raise UserError(f"{options.out}: cannot be written: {error.strerror}") from None
    events = sum(len(delivery.batch.events) for delivery in deliveries)
    gaps = sum(delivery.gap is not None for delivery in deliveries)
    print(f"{options.out}: {events} events, {gaps} gaps")
    return 0
