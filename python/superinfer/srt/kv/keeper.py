"""Sealing what requests in the engine have filled, and who reads what.

Pages that only a request owns are replaced in its row of SGLang's table, and nowhere else: nothing but the table names
them. Before the radix tree takes pages over it is told through ``checkpoint``, and they are sealed just before that; or
they stay native as long as there is enough native memory, and are sealed in the tree when nobody reads them any more.
What is read there is sealed as well, if native memory has run short and everybody is known who reads it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sglang.srt.mem_cache.base_prefix_cache import EvictParams

from superinfer.kv import PAGE_TOKENS, Format, page_format, reserve_slabs
from superinfer.sched.job import Job
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.books import KvBooks, KvMetrics
from superinfer.srt.kv.boundaries import Boundaries
from superinfer.srt.kv.loads import loads_of
from superinfer.srt.kv.measure import formats_of
from superinfer.srt.kv.page_names import holding
from superinfer.srt.kv.pool import MixedKVPool
from superinfer.srt.kv.prefixes import SPARE_PAGES, Prefixes
from superinfer.srt.kv.read_pages import ReadPages

Seal = tuple[int, int, Format]
"""A page of a row of the table, by row and place, and the coarsest format that it may have."""

LATE_SHARE: Final = 0.5
"""Part of the native memory that requests in the engine may read before full pages are sealed at once. The rest is
free, or can be had by sealing or evicting prefixes that nobody reads."""

PATIENCE: Final = 16
"""Passes for which prefixes are left alone after none could be made coarser."""


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
        late: Whether full pages stay native while there is enough native memory.

    Attributes:
        allocator: As given.
        books: What became of pages.
        metrics: Publishes these, if the operator wants metrics.
        pinned: SGLang's numbers of the nodes up to which clients have pinned prefixes.
        boundaries: Moves memory between the formats, where the operator leaves their shares to us.
    """

    def __init__(
        self,
        pool: MixedKVPool,
        allocator: MixedAllocator,
        tree_cache: Any,
        req_to_token: Any,
        chunk_tokens: int,
        *,
        late: bool,
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
        self.pinned: Callable[[], Sequence[int]] = tuple
        self.boundaries: Boundaries | None = None
        self._prefixes = Prefixes(tree_cache, allocator, self.books)
        self._read_pages = ReadPages(pool, allocator, tree_cache, self._table, self.books)
        self._late = late and self._prefixes.can_change
        self._patience = 0
        self._waiting_pages = 0
        allocator.make_room, allocator.reaches_all = self._make_room, self._prefixes.can_change

    def balance(self, native_slabs: int, on_total: Callable[[int], None]) -> None:
        """Let the boundaries between the regions move from now on; arguments as of :class:`Boundaries`."""
        self.boundaries = Boundaries(
            self._pool,
            self.allocator,
            self._tree,
            self._table,
            self._chunk_tokens,
            native_slabs,
            self.books,
            lambda: self.pinned(),
            on_total,
        )

    def before_pass(self, now_us: int, running: Sequence[Any], chunked: Any, waiting: Sequence[Any]) -> None:
        """Seal what the last step filled, or what has cooled, see who reads what, and give memory to who needs it."""
        if not self._may_wait(0):
            self._seal_what_is_full(running, chunked)
        self.look(running, chunked)
        if self._late:
            self._cool()
        if self.boundaries:
            self.boundaries.tend(now_us, running, chunked, waiting)
        if self.metrics:
            self.metrics.publish(self.books, self.allocator)

    def state(self) -> dict[str, Any]:
        """For ``/superinfer/state``."""
        return self.books.state(self.allocator)

    def look(self, running: Sequence[Any], chunked: Any) -> None:
        """Count the pages that requests in the engine read or clients have pinned. Again after any of them has left."""
        inside = holding(running, chunked)
        pages = [self._first_slots(req.kv.req_pool_idx, 0, req.kv.kv_allocated_len) for req in inside]
        pages += [self._tree.path_device_indices(node)[::PAGE_TOKENS].numpy() for node in self.pinned()]
        slots = self.allocator.live_slots = np.unique(np.concatenate(pages)) if pages else np.empty(0, np.int32)
        counts = np.bincount(self._formats(slots), minlength=len(Format))
        self.allocator.live_pages = dict(zip(Format, counts.tolist(), strict=True))
        self.allocator.next_decode_tokens = PAGE_TOKENS * sum(
            req.kv.kv_committed_len % PAGE_TOKENS == 0 for req in running
        )

    def free_tokens(self) -> int:
        """Native tokens that are free or can be evicted."""
        return self.allocator.native_tokens() + self.allocator.evictable_native_tokens(self._tree)

    def all_tokens(self) -> int:
        """Tokens of all formats that are free or can be evicted."""
        return int(self.allocator.available_size() + self._tree.evictable_size())

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
        lies = self.sealed_tokens(req) if inside else self._sealed_prefix(req, job)
        if not job.missing_tokens:
            return lies
        # What a step computes is native until the step after, and so is the page that is open. What is native in the
        # tree, or will be when it has come back from the host, stays so while it is read.
        open_tokens = min(job.uncached_tokens, self._chunk_tokens) + 2 * PAGE_TOKENS
        if inside:
            stays = self._native_tokens(req.kv.req_pool_idx, req.kv.cache_protected_len)
        else:
            stays = max(job.computed_tokens - lies, 0) + self._native_on_host(req, job)
        room = self.allocator.sealed_room(req.kv_floor) - (0 if inside else lies)
        return max(lies, min(lies + max(room, 0), job.context_tokens - open_tokens - stays))

    def _seal_what_is_full(self, running: Sequence[Any], chunked: Any) -> None:
        """What the last step filled, what found no room before, and what went into the tree as it was."""
        again = self._waiting_pages > 0
        waiting = self._seal(
            page
            for req in running
            if again or _fills_page(req)
            for page in self._full_pages(req, req.kv.kv_committed_len)
        )
        self.books.spilled += max(waiting - self._waiting_pages, 0)
        self._waiting_pages = waiting
        inside = holding(running, chunked)
        self._read_pages.seal(inside, self.pinned(), self._take)

    def _may_wait(self, more_pages: int) -> bool:
        """Whether so many full pages more may stay native: there is enough, and the longest step always finds room."""
        if not self._late:
            return False
        native = len(self.allocator.pages.regions.pages(Format.NATIVE)) - 1
        step = self._chunk_tokens // PAGE_TOKENS + 4
        enough = min(int(native * LATE_SHARE), native - step)
        return self.allocator.live_pages[Format.NATIVE] + more_pages <= enough

    def _cool(self) -> None:
        """Keep native pages free for a step, as far as idle prefixes can be made coarser for that."""
        if self._patience:
            self._patience -= 1
            return
        step = self._chunk_tokens // PAGE_TOKENS + 4
        if self.allocator.pages.available(Format.NATIVE) < step:
            cooled = self._prefixes.cool(Format.NATIVE, step + SPARE_PAGES)
            self._patience = 0 if cooled else PATIENCE

    def _make_room(self, fmt: Format, pages: int) -> None:
        lacking = self._prefixes.make_room(fmt, pages)
        if self.boundaries and lacking:
            self.boundaries.lost[fmt] += lacking

    def _seal_and_checkpoint(self, req: Any, *, up_to: int, **kwargs: Any) -> None:
        pages = self._full_pages(req, up_to)
        if self._may_wait(len(pages)):
            self.books.late += len(pages)
        else:
            self.books.spilled += self._seal(pages)
        self._checkpoint(req, up_to=up_to, **kwargs)

    def _sealed_prefix(self, req: Any, job: Job) -> int:
        """Tokens of a waiting request's cached prefix that lie in sealed pages."""
        seen = (req.last_node, job.computed_tokens, self.books.changes)
        known = getattr(req, "kv_prefix", None)
        if known is None or known[0] != seen:
            known = req.kv_prefix = seen, self._count_sealed(req.last_node, job.computed_tokens)
        return int(known[1])

    def _count_sealed(self, node: Any, tokens: int) -> int:
        if not tokens:
            return 0
        try:
            slots = self._tree.path_device_indices(node)[:tokens:PAGE_TOKENS].numpy()
        except (KeyError, AssertionError):  # it has left the device since it was looked up; the next look will tell
            return tokens // PAGE_TOKENS * PAGE_TOKENS
        return int(np.count_nonzero(self._formats(slots))) * PAGE_TOKENS

    def _native_on_host(self, req: Any, job: Job) -> int:
        """Tokens that a waiting request has in native pages on the host."""
        loads = loads_of(self._tree)
        if loads is None or not job.host_tokens:
            return 0
        return int(loads.pages(req.best_match_node)[Format.NATIVE]) * PAGE_TOKENS

    def _native_tokens(self, row: int, end: int) -> int:
        slots = self._first_slots(row, 0, end)
        return int(np.count_nonzero(self._formats(slots) == Format.NATIVE)) * PAGE_TOKENS

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

    def _seal(self, pages: Iterable[Seal]) -> int:
        """Seal as many of these pages as there is room for; returns how many stay native."""
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
            self.allocator.refused[fmt] += sum(coarsest is fmt for _, _, coarsest in wanted[len(taken) :])
            self.books.spilled += sum(coarsest > fmt for _, _, coarsest in done)
        if sources:
            self._pool.seal(sources, targets)
            self.allocator.give_back(sources)
        return len(todo)

    def _take(self, fmt: Format, count: int) -> list[int]:
        """First slots of as many pages as there are, after evicting prefixes that are in the way."""
        pages = self.allocator.pages
        self.allocator.settle_frees()
        if pages.available(fmt) < count:
            self.allocator.make_room(fmt, count)
        while not self.allocator.reaches_all and pages.available(fmt) < count and self.allocator.idle_pages(fmt) > 0:
            short = (count - pages.available(fmt)) * PAGE_TOKENS
            if not self._tree.evict(EvictParams(num_tokens=short)).num_tokens_evicted:
                break
        got = self.allocator.take(fmt, min(count, pages.available(fmt)))
        self.allocator.live_pages = {**self.allocator.live_pages, fmt: self.allocator.live_pages[fmt] + len(got)}
        return got

    def _first_slots(self, row: int, begin: int, end: int) -> NDArray[np.int32]:
        return self._table[row, begin:end:PAGE_TOKENS]

    def _formats(self, slots: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        return formats_of(self.allocator.pages.regions, slots)


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
        late=scheduler.settings.kv.seal == "late",
    )
    if scheduler.metrics_reporter.current_scheduler_metrics_enabled:
        keeper.metrics = KvMetrics(scheduler.metrics_collector.labels)
    if scheduler.settings.kv.balances:
        reserve = reserve_slabs(allocator.pages.regions, scheduler.chunked_prefill_size)
        keeper.balance(reserve, partial(_set_total, scheduler))
    return keeper


def _set_total(scheduler: Any, tokens: int) -> None:
    """Tell SGLang how many tokens there are: everyone who compares sums of tokens with all of them."""
    for part in (
        scheduler,
        scheduler.pool_stats_observer,
        scheduler.invariant_checker,
        scheduler.kv_events_publisher,
        scheduler.load_inquirer,
    ):
        # Some are frozen: SGLang's own pool never changes its size.
        object.__setattr__(part, "max_total_num_tokens", tokens)
    scheduler.token_to_kv_pool_allocator.size = tokens
