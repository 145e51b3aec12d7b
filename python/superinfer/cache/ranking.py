"""Items in order of a key that may change: a heap in which outdated entries are skipped."""

from collections.abc import Collection, Iterator
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
        least = self.least()
        if least is None:
            return None
        heappop(self._heap)
        del self._keys[least[1]]
        return least[1]

    def least(self) -> tuple[Key, int] | None:
        """The least item and its key; None if there is none."""
        while self._heap:
            key, item = self._heap[0]
            if self._keys.get(item) == key:
                return key, item
            heappop(self._heap)
        return None


class GroupedRanking:
    """A ranking of items that belong to few groups, of which the least can be had for some groups only."""

    def __init__(self) -> None:
        self._rankings: dict[int, Ranking] = {}
        self._group_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._group_of)

    def __iter__(self) -> Iterator[int]:
        return iter(self._group_of)

    def __contains__(self, item: int) -> bool:
        return item in self._group_of

    def put(self, item: int, key: Key, group: int) -> None:
        """Add the item, or give it another key or group."""
        if self._group_of.get(item, group) != group:
            self.drop(item)
        self._group_of[item] = group
        ranking = self._rankings.get(group)
        if ranking is None:
            ranking = self._rankings[group] = Ranking()
        ranking.put(item, key)

    def drop(self, item: int) -> None:
        """Take the item out, if it is in."""
        group = self._group_of.pop(item, None)
        if group is not None:
            self._rankings[group].drop(item)

    def pop(self, groups: Collection[int] | None = None) -> int | None:
        """Take the least item of these groups out, or of all; None if there is none."""
        rankings = [each for group, each in self._rankings.items() if groups is None or group in groups]
        found = [least for each in rankings if (least := each.least()) is not None]
        if not found:
            return None
        _, item = min(found)
        self.drop(item)
        return item
