"""``superinfer trace``: what the scheduler decides, as a file for a trace viewer."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from superinfer.cli.errors import UserError
from superinfer.cli.values import positive_seconds
from superinfer.observe.delivery import Delivery
from superinfer.observe.errors import ObserveError
from superinfer.observe.perfetto import trace_of
from superinfer.observe.subscribe import Subscriber


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer trace``."""
    parser = argparse.ArgumentParser(
        prog="superinfer trace",
        description="Record a server's events, and write a trace that ui.perfetto.dev or chrome://tracing opens: a "
        "track for each request, the engine's steps, and counters. Ctrl-C ends the recording early.",
    )
    parser.add_argument(
        "--events", metavar="ENDPOINT", required=True, help="where the server publishes events: tcp://HOST:PORT"
    )
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=10.0,
        metavar="S",
        help="length of the recording (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("trace.json"), metavar="FILE", help="the trace (default: %(default)s)"
    )
    return parser


def run(argv: Sequence[str]) -> int:
    """Record and write."""
    options = build_parser().parse_args(argv)
    try:
        with Subscriber(options.events) as subscriber:
            deliveries = list(until_interrupted(subscriber.receive(options.seconds)))
    except ObserveError as error:
        raise UserError(str(error)) from None
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


def until_interrupted(deliveries: Iterator[Delivery]) -> Iterator[Delivery]:
    """``deliveries`` until Ctrl-C."""
    try:
        yield from deliveries
    except KeyboardInterrupt:
        return
