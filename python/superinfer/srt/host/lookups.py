"""Whose prefix to look up in a pass: a look-up reads the whole prompt, and many may wait."""

from collections.abc import Sequence
from typing import Any, Final

PER_PASS: Final = 8
"""Look-ups in one pass, at most."""


class Lookups:
    """Takes turns: those that were not looked up since they came into the queue first, then all in a circle.

    Until its turn comes, what is known of a request is what the last look-up found. Who is admitted is looked up by
    SGLang in any case, and who is loaded for by the host tier.
    """

    def __init__(self) -> None:
        self._known: set[Any] = set()
        self._next = 0

    def due(self, queue: Sequence[Any]) -> list[Any]:
        """Those of ``queue`` to look up in this pass."""
        found = [req for req in queue if req not in self._known][:PER_PASS]
        self._known.intersection_update(queue)
        self._known.update(found)
        again = min(PER_PASS - len(found), len(queue))
        found += [queue[(self._next + step) % len(queue)] for step in range(again)]
        self._next = (self._next + again) % max(len(queue), 1)
        return list(dict.fromkeys(found))
