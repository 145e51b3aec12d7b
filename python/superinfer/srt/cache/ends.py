"""What becomes of a request's prefix when it has ended: what its client has said about that, then or later."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from superinfer.cache.claims import Level
from superinfer.slo import SLO
from superinfer.srt.cache.pins import Pins
from superinfer.srt.cache.radix_cache import LearnedRadixCache

REMEMBERED = 4096
"""Requests that have ended and that something can still be said of."""


class Ends:
    """Pins, expectations and ends of sessions, as the fields ``pin_ms``, ``back_ms`` and ``ends`` of an SLO say."""

    def __init__(self, cache: LearnedRadixCache, pins: Pins) -> None:
        self._cache = cache
        self._pins = pins
        self._last_nodes: OrderedDict[str, int] = OrderedDict()

    @property
    def pins(self) -> Pins:
        """What is pinned."""
        return self._pins

    def ended(self, req: Any, slo: SLO) -> None:
        """SGLang's ``req`` has ended, and all of it is in the tree."""
        self._last_nodes[req.rid] = req.last_node
        if len(self._last_nodes) > REMEMBERED:
            self._last_nodes.popitem(last=False)
        pinned = self._heed(req.rid, req.last_node, slo)
        if pinned is not None:
            req.cache_pinned = pinned

    def hint(self, rid: str, slo: SLO) -> dict[str, bool] | None:
        """A client says it only now, knowing the answer; it counts instead of what was said before.

        Returns:
            Whether the prefix was pinned, if that was asked for; ``None`` if no request of that name has ended lately.
        """
        node = self._last_nodes.get(rid)
        if node is None:
            return None
        for level in (Level.ENDED, Level.EXPECTED):
            self._cache.release(_owner(level, rid))
        pinned = self._heed(rid, node, slo)
        return {} if pinned is None else {"pinned": pinned}

    def follow(self, longest_tokens: Sequence[int]) -> None:
        """In each pass in which something is pinned.

        Args:
            longest_tokens: What the longest request will need, of those that accept each level of the memory.
        """
        self._pins.follow(self._cache.book.now_s(), longest_tokens)
        self._tell()

    def forget(self) -> None:
        """The tree was emptied."""
        self._pins.forget()
        self._last_nodes.clear()

    def _heed(self, rid: str, node: int, slo: SLO) -> bool | None:
        """Do what is said of a request's last node; returns whether it was pinned, if that was asked for."""
        now_s, pinned = self._cache.book.now_s(), None
        if slo.ends:
            self._pins.end(node)
            self._cache.claim_nodes(_owner(Level.ENDED, rid), self._cache.own_path(node), Level.ENDED)
        elif slo.back_ms is not None:
            self._expect(rid, node, now_s + slo.back_ms / 1000)
        if slo.pin_ms is not None and not slo.ends:
            until_s = now_s + slo.pin_ms / 1000
            pinned = self._pins.pin(rid, node, until_s)
            if not pinned:
                self._expect(rid, node, until_s)  # the next best: it goes after others
        self._tell()
        return pinned

    def _expect(self, rid: str, node: int, until_s: float) -> None:
        path = self._cache.path_tokens(node)
        self._cache.claim_nodes(_owner(Level.EXPECTED, rid), path, Level.EXPECTED, until_s)

    def _tell(self) -> None:
        if self._cache.book.observer:
            self._cache.book.observer.pinned(self._pins.tokens())


def _owner(level: Level, rid: str) -> str:
    return f"{level.name.lower()} {rid}"
