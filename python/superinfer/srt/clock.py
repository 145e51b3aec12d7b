"""One time for one scheduling pass, the same on every rank."""

import time
from dataclasses import dataclass

import msgspec


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
    """

    shared: bool
    now_us: int = 0

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

    def arrival_us(self, created_s: float) -> int:
        """When a request that just arrived counts as arrived.

        Args:
            created_s: When the server process took it in, by this machine's clock.

        Returns:
            That time; with several ranks, whose clocks differ, the tick it came with.
        """
        return self.now_us if self.shared or not created_s else int(created_s * 1e6)
