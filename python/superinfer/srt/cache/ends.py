"""What becomes of a request's prefix when it has ended: what its client has said about that."""

from collections.abc import Sequence
from typing import Any

from superinfer.cache.claims import Level
from superinfer.slo import SLO
from superinfer.srt.cache.pins import Pins
from superinfer.srt.cache.radix_cache import LearnedRadixCache


class Ends:
    """Pins, expectations and ends of sessions, as the fields ``pin_ms``, ``back_ms`` and ``ends`` of an SLO say."""

    def __init__(self, cache: LearnedRadixCache, pins: Pins) -> None:
        self._cache = cache
        self._pins = pins

    @property
    def pins(self) -> Pins:
        """What is pinned."""
        return self._pins

    def ended(self, req: Any, slo: SLO) -> None:
        """SGLang's ``req`` has ended, and all of it is in the tree."""
        now_s = self._cache.book.now_s()
        if slo.ends:
            self._pins.end(req.last_node)
            self._cache.claim_nodes(f"ended {req.rid}", self._cache.own_path(req.last_node), Level.ENDED)
            return
        if slo.back_ms is not None:
            self._expect(req, now_s + slo.back_ms / 1000)
        if slo.pin_ms is not None:
            until_s = now_s + slo.pin_ms / 1000
            req.cache_pinned = self._pins.pin(req.rid, req.last_node, until_s)
            if not req.cache_pinned:
                self._expect(req, until_s)  # the next best: it goes after others
        self._tell()

    def follow(self, longest_tokens: Sequence[int]) -> None:
        """In each pass in which something is pinned.

        Args:
            longest_tokens: What the longest request will need, of those that accept each level of the memory.
        """
        self._pins.follow(self._cache.book.now_s(), longest_tokens)
        self._tell()

    def _expect(self, req: Any, until_s: float) -> None:
        path = self._cache.path_tokens(req.last_node)
        self._cache.claim_nodes(f"expected {req.rid}", path, Level.EXPECTED, until_s)

    def _tell(self) -> None:
        if self._cache.book.observer:
            self._cache.book.observer.pinned(self._pins.tokens())
