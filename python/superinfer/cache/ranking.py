"""Items in order of a key that may change: a heap in which outdated entries are skipped."""

from collections.abc import Callable, Collection, Iterator
from heapq import heapify, heappop, heappush

from superinfer.cache.changes import Changes

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

    def key(self, item: int) -> Key:
        """That of an item that is in."""
        return self._keys[item]

    def drop(self, item: int) -> None:
        """Take the item out, if it is in."""
        self._keys.pop(item, None)

    def least(self) -> int | None:
        """The least item, which stays; None if there is none."""
        first = self.first()
        return None if first is None else first[1]

    def first(self) -> tuple[Key, int] | None:
        """The least item and its key; None if there is none."""
        while self._heap:
            key, item = self._heap[0]
            if self._keys.get(item) == key:
                return key, item
            heappop(self._heap)
        return None

    def pop(self) -> int | None:
        """Take the least item out; None if there is none."""
        item = self.least()
        if item is not None:
            del self._keys[item]
            heappop(self._heap)
        return item


class GroupedRanking:
    """A ranking of items that belong to few groups, of which the least can be had for some groups only.

    Attributes:
        groups: Of each item.
    """

    def __init__(self) -> None:
        self.groups: dict[int, int] = {}
        self._rankings: dict[int, Ranking] = {}

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[int]:
        return iter(self.groups)

    def __contains__(self, item: int) -> bool:
        return item in self.groups

    def put(self, item: int, key: Key, group: int) -> None:
        """Add the item, or give it another key or group."""
        if self.groups.get(item, group) != group:
            self.drop(item)
        self.groups[item] = group
        ranking = self._rankings.get(group)
        if ranking is None:
            ranking = self._rankings[group] = Ranking()
        ranking.put(item, key)

    def drop(self, item: int) -> None:
        """Take the item out, if it is in."""
        group = self.groups.pop(item, None)
        if group is not None:
            self._rankings[group].drop(item)

    def first(self, groups: Collection[int] | None = None) -> tuple[Key, int] | None:
        """The least item of these groups, or of all, and its key; None if there is none."""
        rankings = [each for group, each in self._rankings.items() if groups is None or group in groups]
        if len(rankings) == 1:
            return rankings[0].first()
        found = [least for each in rankings if (least := each.first()) is not None]
        return min(found, default=None)


Place = Callable[[int, float], tuple[Key, float]]
"""Of an item at a time, its key, and until when that is no lower."""


class TimedRanking:
    """Items whose keys also change with time, at times that are known beforehand."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._order = Ranking()
        self._changes = Changes()

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, item: int) -> bool:
        return item in self._order

    def put(self, item: int, now_s: float) -> None:
        """Add the item, or look at its place again."""
        key, until_s = self._place(item, now_s)
        self._order.put(item, key)
        self._changes.note(item, until_s)

    def drop(self, item: int) -> None:
        """Take the item out, if it is in."""
        self._order.drop(item)

    def put_all(self, now_s: float) -> None:
        """Look at all places again."""
        for item in list(self._order):
            self.put(item, now_s)

    def follow(self, now_s: float) -> None:
        """Look again at the places that have changed by now."""
        for item in self._changes.until(now_s):
            if item in self._order:
                self.put(item, now_s)

    def least(self) -> int | None:
        """The least item, which stays, by the places as they were last looked at; None if there is none."""
        return self._order.least()

    def pop(self, now_s: float) -> int | None:
        """Take the least item out, by the places as they are now."""
        while (first := self._order.first()) is not None:
            key, item = first
            self.put(item, now_s)
            if self._order.key(item) == key:
                return self._order.pop()
        return None
