"""Whose prefixes to look up in the cache in a pass: a lookup walks the tree, and the queue may be long."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Lookups:
    """Newcomers at once, all others in turn.

    Attributes:
        in_turn: Of the others, so many in a pass.
    """

    in_turn: int = 64
    _known: set[str] = field(default_factory=set)
    _next: int = 0

    def due(self, waiting: Sequence[Any]) -> list[Any]:
        """The requests of the queue to look up in this pass."""
        known, self._known = self._known, {req.rid for req in waiting}
        count = len(waiting)
        first = self._next % max(count, 1)
        self._next = first + self.in_turn
        return [
            req for place, req in enumerate(waiting) if (place - first) % count < self.in_turn or req.rid not in known
        ]
