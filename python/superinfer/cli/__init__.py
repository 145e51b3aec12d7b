"""The ``superinfer`` command."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from superinfer import __version__
from superinfer.cli.errors import UserError
from superinfer.config import ConfigError

SUMMARIES = {
    "serve": "Serve a model over HTTP.",
    "doctor": "Print versions, device, platform, active hooks, and what is unsupported here.",
    "simulate": "Serve a trace under several scheduling policies on a model of other hardware.",
    "plan": "Find how many GPUs a trace needs to keep its SLOs, in one pool and in two.",
    "train": "Learn from access logs when cached prefixes will be used again.",
    "eval": "Measure what formats of the KV cache cost in quality.",
    "top": "Show what a server's scheduler is doing, live.",
    "trace": "Record what a server's scheduler decides, for a trace viewer.",
    "record": "Record a server's engine steps, for the simulator to learn a machine from.",
    "demo": "Serve the embedded model and run an agent program beside a batch job.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments without the program's name; ``sys.argv`` if not given.

    Returns:
        Exit status: 2 for arguments or files that cannot be used, 1 for anything else that failed.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    known = parser.parse_args(args[:1])
    try:
        return _run(known.command, args[1:])
    except (ConfigError, UserError) as error:
        print(f"superinfer {known.command}: {error}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command itself; each command has its own for the rest."""
    parser = argparse.ArgumentParser(
        prog="superinfer", description="Serve LLMs to the service level each request asks for."
    )
    parser.add_argument("--version", action="version", version=f"superinfer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in SUMMARIES.items():
        commands.add_parser(name, help=summary, add_help=False)
    return parser


def _run(command: str, args: list[str]) -> int:
    # Imported late: serve loads torch, and no command should wait for another's imports.
    status: int = import_module(f"superinfer.cli.{command}").run(args)
    return status
