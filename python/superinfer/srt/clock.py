"""One time for one scheduling pass, the same on every rank."""

import time
from dataclasses import dataclass

import msgspec

ARRIVAL_KEY = "slo_arrival_us"
"""In ``custom_params`` beside ``slo``: when the server took the request in. SGLang keeps its own stamp to itself, and
what the scheduler sees first is the end of the step that was under way."""


class Tick(msgspec.Struct, frozen=True):
    """The time that rank 0 read, broadcast to the other ranks with the requests of a pass."""

    now_us: int


def read_us() -> int:
    """This process's clock: the one SGLang stamps requests with."""
    return int(time.perf_counter() * 1e6)


@dataclass(slots=True)
class TickClock:
    """The scheduler's time. It stands still within a pass, so that all decisions of a pass see one time.

    Attributes:
        shared: Whether ticks come through the broadcast because several ranks decide alike.
        now_us: The current tick.
        several_hosts: Whether there are ranks on other machines, whose clocks differ.
    """

    shared: bool
    now_us: int = 0
    several_hosts: bool = False

    def poll(self) -> list[Tick]:
        """On rank 0, at the start of a pass: what to add to the pass's input.

        A rank that decides alone takes the time at once and puts nothing into the input.
        """
        if self.shared:
            return [Tick(read_us())]
        self.now_us = read_us()
        return []

    def stamp_us(self) -> int:
        """When something just happened; with several ranks, the tick, since later decisions depend on it."""
        return self.now_us if self.shared else read_us()

    def advance(self, tick: Tick) -> None:
        """A tick arrived with the input."""
        self.now_us = tick.now_us

    def arrival_us(self, taken_in_us: int | None) -> int:
        """When a request that just arrived counts as arrived.

        Args:
            taken_in_us: When the server process took it in, by its own clock; ``None`` if it did not say.

        Returns:
            That time; or the tick the request came with, where it was not told or the other clock may be another
            machine's.
        """
        return self.now_us if taken_in_us is None or self.several_hosts else taken_in_us
