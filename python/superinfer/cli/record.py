"""``superinfer record``: steps and requests of a real server, as a file that the simulator learns from."""

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from superinfer.cli.connection import add_recording, add_server, client, recorded
from superinfer.cli.errors import UserError
from superinfer.observe.delivery import Delivery
from superinfer.observe.errors import ObserveError
from superinfer.observe.server_state import ServerState, read_state
from superinfer.sim.recording import recording_of
from superinfer.workload.steps import MeasuredRun, write_steps


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer record``."""
    parser = argparse.ArgumentParser(
        prog="superinfer record",
        description="Record the engine steps and the requests of a server under load, for superinfer simulate "
        "--calibrate and --validate. Ctrl-C ends the recording early.",
    )
    add_server(parser)
    add_recording(parser, seconds=60.0)
    parser.add_argument("--machine", metavar="TEXT", help="what the server runs on, for people (default: this machine)")
    parser.add_argument(
        "--out", type=Path, default=Path("run.json"), metavar="FILE", help="what was recorded (default: %(default)s)"
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
    measured, left_out = measured_run(
        deliveries, state, options.machine or f"{platform.machine()}, {os.cpu_count()} cores"
    )
    try:
        write_steps(measured, options.out)
    except OSError as error:
        raise UserError(f"{options.out}: cannot be written: {error.strerror}") from None
    gaps = sum(delivery.gap is not None for delivery in deliveries)
    whole = f"{len(measured.requests)} requests from arrival to end, {left_out} others"
    print(f"{options.out}: {len(measured.steps)} steps, {whole}, {gaps} gaps")
    return 0


def measured_run(deliveries: Sequence[Delivery], state: ServerState, machine: str) -> tuple[MeasuredRun, int]:
    """What was recorded of a server, and how many requests were recorded in part.

    Raises:
        UserError: The server does not say how much memory it has, or nothing was recorded.
    """
    if not state.told:
        raise UserError("the server's scheduler does not tell its state, which has the size of its memory")
    events = [event for delivery in deliveries for event in delivery.batch.events]
    recording, scheduler = recording_of(events), state.told[0]
    if not recording.steps:
        raise UserError("no step was recorded: was the server idle?")
    measured = MeasuredRun(
        machine=machine,
        model=state.model,
        kv_tokens=scheduler.kv_tokens,
        steps=recording.steps,
        requests=recording.requests,
        rotation=scheduler.rotation.settings if scheduler.rotation else None,
        classes=tuple(state.slo_classes),
    )
    return measured, recording.left_out
