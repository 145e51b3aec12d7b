"""Prefixes that clients have asked to keep: locked in SGLang's tree, for a while and up to a part of the memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pin:
    """A prefix that stays.

    Attributes:
        node: SGLang's number of the node it ends with.
        until_s: When it is released.
        lock: What SGLang wants back for that.
    """

    node: int
    until_s: float
    lock: Any


class Pins:
    """Who asks for more than the limit gets no pin; who needs the memory of pins to be served at all, gets it.

    All is counted for each level of the memory, with those before it: where there are several formats, pins must leave
    room to those who accept the finest one only.

    Args:
        cache: Our radix cache.
        share: Part of the memory that may be pinned at most.
    """

    def __init__(self, cache: Any, share: float) -> None:
        self._cache = cache
        self._share = share
        self._longest_tokens: Sequence[int] = ()
        self._pins: dict[str, Pin] = {}

    @property
    def pins(self) -> dict[str, Pin]:
        """By owner."""
        return dict(self._pins)

    def nodes(self) -> list[int]:
        """SGLang's numbers of the nodes that pinned prefixes end with."""
        return [pin.node for pin in self._pins.values()]

    def pin(self, owner: str, node: int, until_s: float) -> bool:
        """Keep a node and all above it; returns whether there was room for that.

        Pins of its beginnings that end earlier are part of it from now on.
        """
        path = set(self._path(node))
        inside = [name for name, pin in self._pins.items() if pin.node in path and pin.until_s <= until_s]
        kept = [pin.node for name, pin in self._pins.items() if name not in inside and name != owner]
        if not path or not self._fits([*kept, node]):
            return False
        lock = self._cache.lock(node)
        for name in {*inside, owner} & self._pins.keys():
            self.release(name)
        self._pins[owner] = Pin(node, until_s, lock)
        return True

    def release(self, owner: str) -> None:
        """Take back ``pin``."""
        self._cache.unlock(self._pins.pop(owner).lock)

    def end(self, node: int) -> None:
        """The session whose last node this is has ended: what was pinned of it is not needed.

        Pins of what others have gone on from stay.
        """
        own = set(self._cache.own_path(node))
        for owner in [owner for owner, pin in self._pins.items() if pin.node in own]:
            self.release(owner)

    def follow(self, now_s: float, longest_tokens: Sequence[int] = ()) -> None:
        """In each pass: release what has timed out, and what stands in the way.

        Args:
            now_s: The tick.
            longest_tokens: What the longest request of each level will need.
        """
        for owner in [owner for owner, pin in self._pins.items() if pin.until_s <= now_s]:
            self.release(owner)
        self._longest_tokens = longest_tokens
        while self._pins and not self._fits(self.nodes()):
            self.release(min(self._pins, key=lambda owner: (self._pins[owner].until_s, owner)))

    def forget(self) -> None:
        """The tree was emptied, and its locks with it."""
        self._pins = {}

    def tokens(self) -> int:
        """What is pinned; what several have pinned counts once."""
        return self._tokens(self.nodes())[-1]

    def _fits(self, nodes: Iterable[int]) -> bool:
        pools: Sequence[int] = self._cache.book.measure.pool_tokens()
        longest = self._longest_tokens or [0] * len(pools)
        return all(
            tokens <= max(min(int(self._share * pool), pool - needed), 0)
            for tokens, pool, needed in zip(self._tokens(nodes), pools, longest, strict=True)
        )

    def _tokens(self, nodes: Iterable[int]) -> list[int]:
        rooms: dict[int, Sequence[int]] = {}
        for node in nodes:
            for each, tokens in self._path(node).items():
                if each in rooms:
                    break
                rooms[each] = tokens
        levels = len(self._cache.book.measure.pool_tokens())
        return [sum(room[level] for room in rooms.values()) for level in range(levels)]

    def _path(self, node: int) -> dict[int, Sequence[int]]:
        found: dict[int, Sequence[int]] = self._cache.path_room(node)
        return found
