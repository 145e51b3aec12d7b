"""What commands share that look at a running server: its address, its key, and its events."""

import argparse
from collections.abc import Iterator

import httpx

from superinfer.cli.errors import UserError
from superinfer.cli.values import positive_seconds
from superinfer.observe.delivery import Delivery
from superinfer.observe.errors import ObserveError
from superinfer.observe.subscribe import Subscriber

_TIMEOUT_S = 10.0
_ENDPOINT = "where the server publishes events: tcp://HOST:PORT"


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``client``."""
    parser.add_argument("--url", default="http://127.0.0.1:30000", help="the server (default: %(default)s)")
    parser.add_argument("--api-key", metavar="KEY", help="the server's API key, if it has one")


def client(options: argparse.Namespace) -> httpx.Client:
    """A client of the server, to be closed."""
    headers = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    return httpx.Client(base_url=options.url, headers=headers, timeout=_TIMEOUT_S)


def add_events(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the address of the server's events."""
    parser.add_argument("--events", metavar="ENDPOINT", required=required, help=_ENDPOINT)


def add_recording(parser: argparse.ArgumentParser, seconds: float) -> None:
    """Add the arguments of ``recorded``; ``seconds`` is the length unless another is asked for."""
    add_events(parser, required=True)
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=seconds,
        metavar="S",
        help="length of the recording (default: %(default)s)",
    )


def recorded(options: argparse.Namespace) -> list[Delivery]:
    """What the server publishes during the recording.

    Raises:
        UserError: The address is none, or what arrives is no batch of events.
    """
    try:
        with Subscriber(options.events) as subscriber:
            return list(until_interrupted(subscriber.receive(options.seconds)))
    except ObserveError as error:
        raise UserError(str(error)) from None


def until_interrupted(deliveries: Iterator[Delivery]) -> Iterator[Delivery]:
    """``deliveries`` until Ctrl-C."""
    try:
        yield from deliveries
    except KeyboardInterrupt:
        return
