"""``superinfer record``: the steps of a real server, as a file that the simulator learns a machine from."""

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from superinfer.cli.connection import add_recording, add_server, client, recorded
from superinfer.cli.errors import UserError
from superinfer.observe.delivery import Delivery
from superinfer.observe.errors import ObserveError
from superinfer.observe.events import Step
from superinfer.observe.server_state import ServerState, read_state
from superinfer.workload.steps import MeasuredRun, MeasuredStep, write_steps


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer record``."""
    parser = argparse.ArgumentParser(
        prog="superinfer record",
        description="Record the engine steps of a server under load, for superinfer simulate --calibrate. Ctrl-C ends "
        "the recording early.",
    )
    add_server(parser)
    add_recording(parser, seconds=60.0)
    parser.add_argument("--machine", metavar="TEXT", help="what the server runs on, for people (default: this machine)")
    parser.add_argument(
        "--out", type=Path, default=Path("run.json"), metavar="FILE", help="the steps (default: %(default)s)"
    )
    return parser


def run(argv: Sequence[str]) -> int:
    """Record and write."""
    options = build_parser().parse_args(argv)
    try:
        with client(options) as server:
            state = read_state(server)
    except ObserveError as error:
        raise UserError(str(error)) from None
    deliveries = recorded(options)
    measured = measured_run(deliveries, state, options.machine or f"{platform.machine()}, {os.cpu_count()} cores")
    try:
        write_steps(measured, options.out)
    except OSError as error:
        raise UserError(f"{options.out}: cannot be written: {error.strerror}") from None
    gaps = sum(delivery.gap is not None for delivery in deliveries)
    print(f"{options.out}: {len(measured.steps)} steps, {gaps} gaps")
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
