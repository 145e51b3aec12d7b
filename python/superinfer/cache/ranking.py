"""Items in order of a key that may change: a heap in which outdated entries are skipped."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

Key = tuple[float, ...]

SLACK = 64
"""Outdated entries that are always tolerated."""


class Ranking:
    """Items by key, least first; equal keys by item. ``put``, ``drop`` and ``pop`` take O(log n), amortised."""

    def __init__(self) -> None:
        self._heap: list[tuple[Key, int]] = []
        self._keys: dict[int, Key] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __contains__(self, item: int) -> bool:
        return item in self._keys

    def put(self, item: int, key: Key) -> None:
        """Add the item, or give it another key."""
        if self._keys.get(item) == key:
            return
        self._keys[item] = key
        heappush(self._heap, (key, item))
        if len(self._heap) > 2 * len(self._keys) + SLACK:
            self._heap = [(key, item) for item, key in self._keys.items()]
            heapify(self._heap)

    def drop(self, item: int) -> None:
        """Take the item out, if it is in."""
        self._keys.pop(item, None)

    def pop(self) -> int | None:
        """Take the least item out; None if there is none."""
        while self._heap:
            key, item = heappop(self._heap)
            if self._keys.get(item) == key:
                del self._keys[item]
                return item
        return None
