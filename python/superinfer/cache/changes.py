"""When something has to be looked at again, for many things: known beforehand, and each time it is looked at anew."""

from collections.abc import Iterator
from heapq import heappop, heappush
from math import inf


class Changes:
    """Times at which items change. The last that was said of an item counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._at_s: dict[int, float] = {}

    def note(self, item: int, at_s: float) -> None:
        """The item changes then; ``inf``: it does not, or when was said before."""
        if at_s < inf and self._at_s.get(item) != at_s:
            self._at_s[item] = at_s
            heappush(self._heap, (at_s, item))

    def until(self, now_s: float) -> Iterator[int]:
        """Items that have changed by now, the earliest first; more may be noted meanwhile."""
        while self._heap and self._heap[0][0] <= now_s:
            at_s, item = heappop(self._heap)
            if self._at_s.get(item) == at_s:
                del self._at_s[item]
                yield item
