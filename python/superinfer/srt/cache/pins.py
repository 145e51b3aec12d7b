"""Prefixes that clients have asked to keep: locked in SGLang's tree, for a while and up to a part of the memory."""

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

    Args:
        cache: Our radix cache.
        limit_tokens: What may be pinned at most.
        pool_tokens: The memory.
    """

    def __init__(self, cache: Any, limit_tokens: int, pool_tokens: int) -> None:
        self._cache = cache
        self._limit_tokens, self._pool_tokens = limit_tokens, pool_tokens
        self._allowed_tokens = limit_tokens
        self._pins: dict[str, Pin] = {}

    @property
    def pins(self) -> dict[str, Pin]:
        """By owner."""
        return dict(self._pins)

    def pin(self, owner: str, node: int, until_s: float) -> bool:
        """Keep a node and all above it; returns whether there was room for that.

        Pins of its beginnings that end earlier are part of it from now on.
        """
        path = set(self._path(node))
        inside = [name for name, pin in self._pins.items() if pin.node in path and pin.until_s <= until_s]
        kept = [pin.node for name, pin in self._pins.items() if name not in inside and name != owner]
        if not path or self._tokens([*kept, node]) > self._allowed_tokens:
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

    def follow(self, now_s: float, longest_tokens: int) -> None:
        """In each pass: release what has timed out, and what stands in the way.

        Args:
            now_s: The tick.
            longest_tokens: What the longest of all requests will need.
        """
        for owner in [owner for owner, pin in self._pins.items() if pin.until_s <= now_s]:
            self.release(owner)
        self._allowed_tokens = max(min(self._limit_tokens, self._pool_tokens - longest_tokens), 0)
        while self._pins and self.tokens() > self._allowed_tokens:
            self.release(min(self._pins, key=lambda owner: (self._pins[owner].until_s, owner)))

    def forget(self) -> None:
        """The tree was emptied, and its locks with it."""
        self._pins = {}

    def tokens(self) -> int:
        """What is pinned; what several have pinned counts once."""
        return self._tokens([pin.node for pin in self._pins.values()])

    def _tokens(self, nodes: list[int]) -> int:
        lengths: dict[int, int] = {}
        for node in nodes:
            for each, tokens in self._path(node).items():
                if each in lengths:
                    break
                lengths[each] = tokens
        return sum(lengths.values())

    def _path(self, node: int) -> dict[int, int]:
        found: dict[int, int] = self._cache.path_tokens(node)
        return found
