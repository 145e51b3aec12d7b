"""The queue's claims on the cache: what requests begin with that wait to be served."""

from collections.abc import Callable, Collection
from typing import Any

from superinfer.cache.claims import Level
from superinfer.srt.cache.radix_cache import LearnedRadixCache


def is_ours(tree_cache: Any) -> bool:
    """Whether our cache serves."""
    return isinstance(tree_cache, LearnedRadixCache)


class QueueClaims:
    """Whoever waits will surely use the cache, and whoever is parked most of all: its tokens were paid for already."""

    def __init__(self, cache: LearnedRadixCache, has_run: Callable[[Any], bool]) -> None:
        self._cache = cache
        self._has_run = has_run
        self._claimed: dict[str, None] = {}

    def follow(self, waiting: Collection[Any]) -> None:
        """The queue as it is now, prefixes matched."""
        present = {req.rid for req in waiting}
        for rid in [rid for rid in self._claimed if rid not in present]:
            del self._claimed[rid]
            self._cache.release(rid)
        for req in waiting:
            if req.rid not in self._claimed:
                self._claim(req, Level.PARKED if self._has_run(req) else Level.QUEUED)

    def parked(self, reqs: Collection[Any]) -> None:
        """These have just left the engine; the room they made is for others, what they computed is not."""
        for req in reqs:
            self._claim(req, Level.PARKED)

    def _claim(self, req: Any, level: Level) -> None:
        self._claimed[req.rid] = None
        self._cache.claim(req, level)
