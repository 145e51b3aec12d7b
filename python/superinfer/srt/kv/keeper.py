"""Sealing what requests in the engine have filled, and who reads what.

Pages that only a request owns are replaced in its row of SGLang's table, and nowhere else: nothing but the table names
them. Before the radix tree takes pages over it is told through ``checkpoint``, and they are sealed just before that.
So the tree holds sealed pages from the beginning, and a slot number never changes once it is shared.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sglang.srt.mem_cache.base_prefix_cache import EvictParams

from superinfer.kv import PAGE_TOKENS, Format, page_format
from superinfer.sched.job import Job
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.books import KvBooks, KvMetrics
from superinfer.srt.kv.pool import MixedKVPool
from superinfer.srt.kv.prefixes import Prefixes

Seal = tuple[int, int, Format]
"""A page of a row of the table, by row and place, and the coarsest format that it may have."""


class KvKeeper:
    """Keeps full pages in the formats of their requests.

    Everything runs in the scheduler's thread between two engine steps: whatever was launched has been computed on the
    CPU, so that nobody reads or writes a page while it moves.

    Args:
        pool: The memory.
        allocator: Its pages.
        tree_cache: SGLang's radix tree; its ``checkpoint`` is wrapped.
        req_to_token: SGLang's table of slots, int32 ``[rows, positions]``.
        chunk_tokens: Prompt tokens of a step, at most.

    Attributes:
        allocator: As given.
        books: What became of pages.
        metrics: Publishes these, if the operator wants metrics.
    """

    def __init__(
        self, pool: MixedKVPool, allocator: MixedAllocator, tree_cache: Any, req_to_token: Any, chunk_tokens: int
    ) -> None:
        self._pool = pool
        self.allocator = allocator
        self._tree = tree_cache
        self._table: NDArray[np.int32] = req_to_token.numpy()
        self._chunk_tokens = chunk_tokens
        self._checkpoint: Callable[..., None] = tree_cache.checkpoint
        tree_cache.checkpoint = self._seal_and_checkpoint
        self.books = KvBooks()
        self.metrics: KvMetrics | None = None
        allocator.make_room = Prefixes(tree_cache, allocator, self.books).make_room

    def before_pass(self, running: Sequence[Any], chunked: Any) -> None:
        """Seal what the last step filled, and look at who reads what."""
        self._seal(
            page for req in running if _fills_page(req) for page in self._full_pages(req, req.kv.kv_committed_len)
        )
        self.look(running, chunked)
        if self.metrics:
            self.metrics.publish(self.books, self.allocator)

    def state(self) -> dict[str, Any]:
        """For ``/superinfer/state``."""
        return self.books.state(self.allocator)

    def look(self, running: Sequence[Any], chunked: Any) -> None:
        """Count the pages that requests in the engine read. Again after any of them has left."""
        inside = [req for req in (*running, chunked) if req is not None and req.kv.holds_kv]
        pages = [self._first_slots(req.kv.req_pool_idx, 0, req.kv.kv_allocated_len) for req in inside]
        slots = np.unique(np.concatenate(pages)) if pages else np.empty(0, np.int32)
        counts = np.bincount(self._formats(slots), minlength=len(Format))
        self.allocator.live_pages = dict(zip(Format, counts.tolist(), strict=True))
        self.allocator.next_decode_tokens = PAGE_TOKENS * sum(
            req.kv.kv_committed_len % PAGE_TOKENS == 0 for req in running
        )

    def free_tokens(self) -> int:
        """Native tokens that are free or can be evicted."""
        return self.allocator.native_tokens() + self.allocator.evictable_native_tokens(self._tree)

    def held_elsewhere(self, inside: Iterable[Any]) -> int:
        """Tokens that requests in the engine have in sealed pages: they count as resident, but not as native."""
        return sum(self.sealed_tokens(req) for req in inside if req is not None)

    def sealed_tokens(self, req: Any) -> int:
        """Tokens of a request in the engine that lie in sealed pages."""
        if req.kv_floor is Format.NATIVE or not req.kv.holds_kv:
            return 0
        slots = self._first_slots(req.kv.req_pool_idx, 0, req.kv.kv_allocated_len)
        return int(np.count_nonzero(self._formats(slots))) * PAGE_TOKENS

    def elsewhere_tokens(self, req: Any, job: Job) -> int:
        """Tokens of a request's context that do not, or will not, lie in native pages."""
        if req.kv_floor is Format.NATIVE:
            return 0
        inside = bool(req.kv.holds_kv)
        lies = self.sealed_tokens(req) if inside else job.computed_tokens // PAGE_TOKENS * PAGE_TOKENS
        if not job.missing_tokens:
            return lies
        # What a step computes is native until the step after, and so is the page that is open.
        open_tokens = min(job.missing_tokens, self._chunk_tokens) + 2 * PAGE_TOKENS
        room = self.allocator.sealed_room(req.kv_floor) - (0 if inside else lies)
        return max(lies, min(lies + max(room, 0), job.context_tokens - open_tokens))

    def _seal_and_checkpoint(self, req: Any, *, up_to: int, **kwargs: Any) -> None:
        self._seal(self._full_pages(req, up_to))
        self._checkpoint(req, up_to=up_to, **kwargs)

    def _full_pages(self, req: Any, up_to: int) -> list[Seal]:
        """Full native pages that belong to ``req`` alone and may be coarser."""
        if (
            req.kv_floor is Format.NATIVE
            or not req.kv.holds_kv
            or req.session is not None
            or req.beam_group is not None
        ):
            return []
        row, first = req.kv.req_pool_idx, req.kv.cache_protected_len // PAGE_TOKENS
        slots = self._first_slots(row, first * PAGE_TOKENS, up_to // PAGE_TOKENS * PAGE_TOKENS)
        native = np.flatnonzero(self._formats(slots) == Format.NATIVE) + first
        return [(row, page, page_format(req.kv_floor, page)) for page in native.tolist()]

    def _seal(self, pages: Iterable[Seal]) -> None:
        """Seal as many of these pages as there is room for."""
        todo = list(pages)
        sources: list[int] = []
        targets: list[int] = []
        for fmt in sorted(Format, reverse=True):
            if fmt is Format.NATIVE:
                break
            wanted = [page for page in todo if page[2] >= fmt]
            taken = self._take(fmt, len(wanted))
            for (row, page, _), target in zip(wanted, taken, strict=False):
                place = slice(page * PAGE_TOKENS, (page + 1) * PAGE_TOKENS)
                sources.append(int(self._table[row, place.start]))
                targets.append(target)
                self._table[row, place] = np.arange(target, target + PAGE_TOKENS, dtype=np.int32)
            done = set(wanted[: len(taken)])
            todo = [page for page in todo if page not in done]
            self.books.sealed[fmt] += len(taken)
            self.books.spilled += sum(coarsest > fmt for _, _, coarsest in done)
        self.books.spilled += len(todo)
        if sources:
            self._pool.seal(sources, targets)
            self.allocator.give_back(sources)

    def _take(self, fmt: Format, count: int) -> list[int]:
        """First slots of as many pages as there are, after evicting prefixes that are in the way."""
        pages = self.allocator.pages
        if pages.available(fmt) < count:
            self.allocator.make_room(fmt, count)
        while pages.available(fmt) < count and self.allocator.idle_pages(fmt) > 0:
            short = (count - pages.available(fmt)) * PAGE_TOKENS
            if not self._tree.evict(EvictParams(num_tokens=short)).num_tokens_evicted:
                break
        got = self.allocator.take(fmt, min(count, pages.available(fmt)))
        self.allocator.live_pages = {**self.allocator.live_pages, fmt: self.allocator.live_pages[fmt] + len(got)}
        return got

    def _first_slots(self, row: int, begin: int, end: int) -> NDArray[np.int32]:
        return self._table[row, begin:end:PAGE_TOKENS]

    def _formats(self, slots: NDArray[np.int32]) -> NDArray[np.int64]:
        int8, int4, _ = self.allocator.pages.regions.slots
        return (slots >= int8).astype(np.int64) + (slots >= int4)


def _fills_page(req: Any) -> bool:
    """Whether the last token of ``req`` was the last of a page."""
    return bool(req.kv.holds_kv and req.kv.kv_committed_len % PAGE_TOKENS == 0)


def keeper_of(scheduler: Any) -> KvKeeper | None:
    """The keeper of a scheduler's memory; ``None`` where all of it is native."""
    allocator = scheduler.token_to_kv_pool_allocator
    if not isinstance(allocator, MixedAllocator):
        return None
    keeper = KvKeeper(
        allocator.get_kvcache(),
        allocator,
        scheduler.tree_cache,
        scheduler.req_to_token_pool.req_to_token,
        scheduler.chunked_prefill_size,
    )
    if scheduler.metrics_reporter.current_scheduler_metrics_enabled:
        keeper.metrics = KvMetrics(scheduler.metrics_collector.labels)
    return keeper
