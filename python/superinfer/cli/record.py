"""``superinfer record``: the steps of a real server, as a file that the simulator learns a machine from."""

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import httpx

from superinfer.cli.errors import UserError
from superinfer.cli.trace import until_interrupted
from superinfer.cli.values import positive_seconds
from superinfer.observe.delivery import Delivery
from superinfer.observe.errors import ObserveError
from superinfer.observe.events import Step
from superinfer.observe.server_state import ServerState, read_state
from superinfer.observe.subscribe import Subscriber
from superinfer.workload.steps import MeasuredRun, MeasuredStep, write_steps

_TIMEOUT_S = 10.0


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer record``."""
    parser = argparse.ArgumentParser(
        prog="superinfer record",
        description="Record the engine steps of a server under load, for superinfer simulate --calibrate. Ctrl-C ends "
        "the recording early.",
    )
    parser.add_argument("--url", default="http://127.0.0.1:30000", help="the server (default: %(default)s)")
    parser.add_argument("--api-key", metavar="KEY", help="the server's API key, if it has one")
    parser.add_argument(
        "--events", metavar="ENDPOINT", required=True, help="where the server publishes events: tcp://HOST:PORT"
    )
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=60.0,
        metavar="S",
        help="length of the recording (default: %(default)s)",
    )
    parser.add_argument("--machine", metavar="TEXT", help="what the server runs on, for people (default: this machine)")
    parser.add_argument(
        "--out", type=Path, default=Path("run.json"), metavar="FILE", help="the steps (default: %(default)s)"
    )
    return parser


def run(argv: Sequence[str]) -> int:
    """Record and write."""
    options = build_parser().parse_args(argv)
    headers = {"authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    try:
        with httpx.Client(base_url=options.url, headers=headers, timeout=_TIMEOUT_S) as client:
            state = read_state(client)
        with Subscriber(options.events) as subscriber:
            deliveries = list(until_interrupted(subscriber.receive(options.seconds)))
    except ObserveError as error:
        raise UserError(str(error)) from None
    recorded = measured_run(deliveries, state, options.machine or f"{platform.machine()}, {os.cpu_count()} cores")
    try:
        write_steps(recorded, options.out)
    except OSError as error:
        raise UserError(f"{options.out}: cannot be written: {error.strerror}") from None
    gaps = sum(delivery.gap is not None for delivery in deliveries)
    print(f"{options.out}: {len(recorded.steps)} steps, {gaps} gaps")
    return 0


def measured_run(deliveries: Sequence[Delivery], state: ServerState, machine: str) -> MeasuredRun:
    """What was recorded of a server. Steps that are lost in a gap are not missed: each stands for itself.

    Raises:
        UserError: The server does not say how much memory it has, or nothing was recorded.
    """
    if not state.told:
        raise UserError("the server's scheduler does not tell its state, which has the size of its memory")
    events = [event for delivery in deliveries for event in delivery.batch.events]
    steps = [_measured(event) for event in events if isinstance(event, Step) and event.elapsed_us > 0]
    if not steps:
        raise UserError("no step was recorded: was the server idle?")
    return MeasuredRun(machine=machine, model=state.model, kv_tokens=state.told[0].kv_tokens, steps=tuple(steps))


def _measured(step: Step) -> MeasuredStep:
    return MeasuredStep(
        decode_rows=step.rows,
        kv_tokens=step.kv_tokens,
        prefill_tokens=step.prefill_tokens,
        prefill_pairs=step.prefill_pairs,
        elapsed_us=step.elapsed_us,
    )
