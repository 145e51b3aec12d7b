"""Moving the boundaries between the regions as the balancer decides, with what lies in their way.

It runs in the scheduler's thread at the start of a pass, like sealing: nothing is being computed. SGLang names slots in
two places, the rows of its table and the nodes of its tree. A page moves only if every place that names it is known; if
not (a session between its turns, beams, a copy to or from the host that is under way), the boundary stays, and the
balancer tries again later.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superinfer.kv import PAGE_TOKENS, Balancer, Demand, Format, Page, Shift
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.books import KvBooks
from superinfer.srt.kv.page_names import PageNames, holding, slots_of
from superinfer.srt.kv.pool import MixedKVPool

LOOKED_AT = 8
"""Waiting requests whose prompts count as demand."""

OPEN_TOKENS = 8
"""Tokens that requests in the engine produce soon: so many of a page's tokens, as a part of them begins a page."""


class Boundaries:
    """The memory of a scheduler, recut while it serves.

    Args:
        pool: The memory.
        allocator: Its pages.
        tree_cache: SGLang's radix tree.
        table: SGLang's table of slots, int32 ``[rows, positions]``.
        chunk_tokens: Prompt tokens of a step, at most.
        native_slabs: Slabs that stay native.
        books: Where moves are counted.
        pinned: SGLang's numbers of the nodes up to which clients have pinned prefixes, one for each pin.
        on_total: Is told how many tokens all regions hold after each move: SGLang's sums must come out.

    Attributes:
        lost: Pages of cached prefixes that had to make room, by format, since the balancer last looked at caches.
    """

    def __init__(
        self,
        pool: MixedKVPool,
        allocator: MixedAllocator,
        tree_cache: Any,
        table: NDArray[np.int32],
        chunk_tokens: int,
        native_slabs: int,
        books: KvBooks,
        pinned: Callable[[], Sequence[int]],
        on_total: Callable[[int], None],
    ) -> None:
        self._pool = pool
        self._allocator = allocator
        self._tree = tree_cache
        self._table = table
        self._chunk_pages = -(-chunk_tokens // PAGE_TOKENS)
        self._balancer = Balancer(native_slabs)
        self._books = books
        self._pinned = pinned
        self._on_total = on_total
        self.lost: Counter[Format] = Counter()
        allocator.native_slabs = native_slabs

    def tend(self, now_us: int, running: Sequence[Any], chunked: Any, waiting: Sequence[Any]) -> None:
        """Move memory if the balancer says so.

        Args:
            now_us: The time.
            running: Requests that decode.
            chunked: The request whose prompt is computed in parts, if there is one.
            waiting: Requests in the queue.
        """
        inside = holding(running, chunked)
        demands = self._demands(now_us, inside, chunked, waiting)
        shift = self._balancer.decide(now_us, self._allocator.pages.regions, demands)
        self._allocator.refused.clear()
        if shift:
            self.carry_out(now_us, shift, inside)

    def carry_out(self, now_us: int, shift: Shift, inside: Sequence[Any]) -> None:
        """Move the boundaries, as far as nothing is in the way that cannot be moved."""
        for boundaries in shift.boundaries:
            if not self._recut(boundaries, inside):
                self._balancer.failed(now_us)
                return
        self._books.moved_slabs[shift.taker] += shift.slabs

    # What is wanted.

    def _demands(
        self, now_us: int, inside: Sequence[Any], chunked: Any, waiting: Sequence[Any]
    ) -> dict[Format, Demand]:
        allocator = self._allocator
        soon = self._soon(inside, chunked, waiting)
        queued = sum(_absent_pages(req) for req in islice(waiting, LOOKED_AT) if req.kv_floor is Format.NATIVE)
        caches = bool(self.lost) and self._balancer.caches_due(now_us)
        ages = self._ages() if caches else Counter[Format]()
        lost = self.lost if caches else Counter[Format]()
        found = {
            fmt: Demand(
                live=allocator.live_pages[fmt],
                idle=allocator.idle_pages(fmt),
                free=allocator.pages.available(fmt),
                soon=soon[fmt],
                refused=allocator.refused[fmt],
                queued=queued if fmt is Format.NATIVE else 0,
                lost=lost[fmt],
                age=ages[fmt],
            )
            for fmt in Format
        }
        if caches:
            self.lost.clear()
        return found

    def _soon(self, inside: Sequence[Any], chunked: Any, waiting: Sequence[Any]) -> Counter[Format]:
        """Pages that the next step may take: of native ones what is computed, of others what is sealed after it."""
        there = Counter(req.kv_floor for req in inside)
        prompts = Counter(req.kv_floor for req in waiting)
        if chunked is not None:
            prompts[chunked.kv_floor] += 1
        soon = Counter({fmt: there[fmt] + self._chunk_pages * (prompts[fmt] > 0) for fmt in Format})
        begun = max(self._allocator.next_decode_tokens, OPEN_TOKENS * len(inside)) // PAGE_TOKENS + 1
        soon[Format.NATIVE] = begun + (self._chunk_pages + min(len(waiting), LOOKED_AT)) * bool(prompts)
        soon[Format.INT8] += min(prompts[Format.INT4], LOOKED_AT)  # their first pages
        return soon

    def _ages(self) -> Counter[Format]:
        """How long ago the oldest evictable prefix of each format was used, in SGLang's count of uses."""
        oldest: dict[Format, int] = {}
        latest = 0
        for node in self._tree.tree_core.evictable_device_leaves:
            used = int(node.last_access_time)
            latest = max(latest, used)
            for fmt in self._formats_of(slots_of(node)):
                oldest[fmt] = min(oldest.get(fmt, used), used)
        return Counter({fmt: latest - used for fmt, used in oldest.items()})

    def _formats_of(self, slots: NDArray[np.int64]) -> set[Format]:
        regions = self._allocator.pages.regions
        return {regions.format(slot) for slot in slots[::PAGE_TOKENS].tolist()}

    # Moving.

    def _recut(self, boundaries: tuple[int, int], inside: Sequence[Any]) -> bool:
        """Move boundaries once; returns whether they could be moved."""
        pages = self._allocator.pages
        if self._names_of(boundaries, inside) is None:
            return False  # before anything is evicted for it
        for fmt in Format:
            homeless, room = pages.homeless(fmt, boundaries)
            if len(homeless) > room:
                self._allocator.make_room(fmt, pages.available(fmt) + len(homeless) - room)
        if any(len(homeless) > room for homeless, room in (pages.homeless(fmt, boundaries) for fmt in Format)):
            return False
        names = self._names_of(boundaries, inside)
        assert names is not None, "eviction makes nobody unknown"
        moves = pages.rebalance(boundaries)
        self._pool.copy(moves)
        names.replace([(self._number(move.source), self._number(move.target)) for move in moves])
        if self._allocator.debug_mode:
            self._pool.poison([move.source for move in moves])
        self._books.copied += len(moves)
        self._on_total(sum(pages.regions.tokens(fmt) for fmt in Format))
        return True

    def _number(self, page: Page) -> int:
        """A page by its number in the space of all formats."""
        return self._allocator.pages.regions.slot(page.format, page.number) // PAGE_TOKENS

    def _names_of(self, boundaries: tuple[int, int], inside: Sequence[Any]) -> PageNames | None:
        """Where the pages stand that these boundaries drive out; ``None`` if that is not known for all of them."""
        sources = [page for fmt in Format for page in self._allocator.pages.homeless(fmt, boundaries)[0]]
        names = PageNames(self._tree, self._table, inside if sources else (), self._pinned())
        return names if names.cover([self._number(page) for page in sources]) else None


def _absent_pages(req: Any) -> int:
    """Pages of a waiting request that are not cached."""
    tokens = len(req.origin_input_ids) + len(req.output_ids) - req.num_matched_prefix_tokens
    return -(-tokens // PAGE_TOKENS)
