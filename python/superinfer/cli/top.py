"""``superinfer top``: what the scheduler is doing, live."""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
from rich.console import Console, RenderableType
from rich.live import Live

from superinfer.cli.connection import add_events, add_server, client
from superinfer.cli.errors import UserError
from superinfer.cli.values import positive_seconds
from superinfer.observe.board import Board
from superinfer.observe.errors import ObserveError
from superinfer.observe.frame import frame
from superinfer.observe.server_state import read_state
from superinfer.observe.subscribe import Subscriber


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``superinfer top``."""
    parser = argparse.ArgumentParser(
        prog="superinfer top",
        description="Show who meets their SLO, and who waits; with --events also tenants, tiers, rotations and engine "
        "steps. Ctrl-C ends it.",
    )
    add_server(parser)
    add_events(parser, required=False)
    parser.add_argument(
        "--interval-s",
        type=positive_seconds,
        default=1.0,
        metavar="S",
        help="time between two frames (default: %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="print one frame; with --events, after one interval")
    return parser


def run(argv: Sequence[str]) -> int:
    """Show frames until interrupted, or one."""
    options = build_parser().parse_args(argv)
    try:
        with _watch(options) as watch:
            if options.once:
                Console().print(watch.frame() if options.events is None else watch.next_frame(options.interval_s))
            else:
                _show(watch, options.interval_s)
    except ObserveError as error:
        raise UserError(str(error)) from None
    except KeyboardInterrupt:
        pass
    return 0


class Watch:
    """The latest picture of one server.

    It has to answer once. Later it may be silent for a while, when it is busy or being restarted: the picture then
    stands still, and says so.
    """

    def __init__(self, client: httpx.Client, subscriber: Subscriber | None) -> None:
        self._client = client
        self._subscriber = subscriber
        self._board = None if subscriber is None else Board()
        self._state = read_state(client)
        self._trouble = ""

    def next_frame(self, interval_s: float) -> RenderableType:
        """Watch for ``interval_s`` seconds, then render."""
        if self._subscriber is not None and self._board is not None:
            for delivery in self._subscriber.receive(interval_s):
                self._board.receive(delivery)
        else:
            time.sleep(interval_s)
        try:
            self._state, self._trouble = read_state(self._client), ""
        except ObserveError as error:
            self._trouble = f" – {error}"
        return self.frame()

    def frame(self) -> RenderableType:
        """Render what is known."""
        title = f"SuperInfer {self._state.version} at {self._client.base_url}{self._trouble}"
        return frame(title, self._state, self._board)


@contextmanager
def _watch(options: argparse.Namespace) -> Iterator[Watch]:
    with client(options) as server:
        if options.events is None:
            yield Watch(server, None)
        else:
            with Subscriber(options.events) as subscriber:
                yield Watch(server, subscriber)


def _show(watch: Watch, interval_s: float) -> None:
    with Live(watch.frame(), auto_refresh=False, screen=True) as live:
        while True:
            live.update(watch.next_frame(interval_s), refresh=True)
