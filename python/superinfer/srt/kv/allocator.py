"""SGLang's paged allocator over regions: new tokens go to native pages, and sealing moves full pages elsewhere.

SGLang counts tokens of all formats alike: ``available_size`` is what is free in all regions, so that its sums come out.
Whether something *fits* is another question, and this class answers it wherever SGLang asks: new tokens need native
pages, however much is free elsewhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sglang.srt.mem_cache.allocator.paged import PagedTokenToKVPoolAllocator
from sglang.srt.mem_cache.base_prefix_cache import EvictParams
from sglang.srt.utils import get_num_new_pages

from superinfer.kv import PAGE_TOKENS, Format, OutOfPages, Page, RegionAllocator, largest_tokens
from superinfer.srt.kv.budget import MixedPrefillBudget

NONE_LIVE: Final[Mapping[Format, int]] = MappingProxyType(dict.fromkeys(Format, 0))


@dataclass(frozen=True, slots=True)
class Asker:
    """What SGLang's questions about a request leave out.

    Attributes:
        floor: The coarsest format that it accepts.
        cached_tokens: Of its prompt, on the device.
        sealed_loads: Tokens that come back from the host to sealed pages, if it comes in with what it has there.
    """

    floor: Format = Format.NATIVE
    cached_tokens: int = 0
    sealed_loads: int = 0


class MixedAllocator(PagedTokenToKVPoolAllocator):
    """Gives away native pages, and takes back pages of any format.

    Attributes:
        pages: Who holds which page.
        asker: The request that is being looked at: SGLang's questions do not say.
        live_pages: Pages that requests in the engine read, or that are pinned, as of this pass.
        live_slots: The first slots of these, without those that have come back from the host since.
        next_decode_tokens: Tokens of the pages that running requests begin with their next token.
        make_room: Sees that so many pages of a format are free, as far as cached prefixes stand in the way.
        reaches_all: Whether ``make_room`` finds every page that can be had: on trees in Python.
        peak: Bytes of pages in use by format when they were most, since everything was free.
        refused: Pages that were wanted and not there, by format, since the balancer last looked.
        native_slabs: Slabs that stay native where boundaries move; ``None`` where they do not.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.pages = RegionAllocator(kwargs["kvcache"].regions)
        self.asker = Asker()
        self.live_pages: Mapping[Format, int] = NONE_LIVE
        self.live_slots: NDArray[np.int32] = np.empty(0, np.int32)
        self.next_decode_tokens = 0
        self.peak: Mapping[Format, int] = NONE_LIVE
        self.refused: Counter[Format] = Counter()
        self.native_slabs: int | None = None
        self.make_room: Callable[[Format, int], None] = lambda fmt, pages: None
        self.reaches_all = False
        super().__init__(*args, **kwargs)

    # What is free.

    def available_size(self) -> int:
        """Free tokens of all formats: a figure for SGLang's sums."""
        return PAGE_TOKENS * sum(self.pages.available(fmt) for fmt in Format)

    def native_tokens(self) -> int:
        """Free native tokens."""
        return PAGE_TOKENS * self.pages.available(Format.NATIVE)

    def idle_pages(self, fmt: Format) -> int:
        """Pages in use that nobody reads or has pinned: evicting prefixes would free them, or most of them."""
        return max(0, self.pages.used(fmt) - self.live_pages[fmt])

    def sealed_room(self, floor: Format) -> int:
        """Tokens that could be sealed into formats that ``floor`` accepts."""
        formats = [fmt for fmt in Format if Format.NATIVE < fmt <= floor]
        return PAGE_TOKENS * sum(self.pages.available(fmt) + self.idle_pages(fmt) for fmt in formats)

    def used_bytes(self) -> dict[Format, int]:
        """Bytes of the pages in use, by format."""
        return {fmt: self.pages.used_bytes(fmt) for fmt in Format}

    @property
    def peak_bytes(self) -> int:
        """The most bytes of pages that were in use at a time."""
        return sum(self.peak.values())

    def evictable_native_tokens(self, tree_cache: Any) -> int:
        """Native tokens that evicting prefixes would free, at least.

        The tree counts what it could evict, whatever the format; sealed pages that no request in the engine reads are
        at most all the sealed ones among it.
        """
        sealed = PAGE_TOKENS * sum(self.idle_pages(fmt) for fmt in Format if fmt is not Format.NATIVE)
        return max(0, int(tree_cache.evictable_size()) - sealed)

    # Whether something fits.

    def create_prefill_budget(self, tree_cache: Any, *, num_mixed_decode_tokens: int = 0) -> MixedPrefillBudget:
        """Memory that prompts of one pass may take."""
        return MixedPrefillBudget(self, tree_cache, num_mixed_decode_tokens=num_mixed_decode_tokens)

    def get_extend_allocation_demand(self, prefix_lens_cpu: Any, seq_lens_cpu: Any, **_: Any) -> int:
        """Tokens of the pages that prompts need, to the page."""
        pages = get_num_new_pages(seq_lens=seq_lens_cpu, page_size=self.page_size, prefix_lens=prefix_lens_cpu)
        return int(pages) * self.page_size

    def evict_to_free_tokens(self, tree_cache: Any, num_tokens: int) -> bool:
        """Make prefixes coarser or evict them until so many *native* tokens are free. Returns whether they are."""
        self.settle_frees()
        if num_tokens > self.native_tokens():
            self.make_room(Format.NATIVE, -(-num_tokens // PAGE_TOKENS))
        # SGLang asks for more than it needs; where that is not to be had, other formats shall not go for nothing.
        while (short := num_tokens - self.native_tokens()) > 0:
            if self.reaches_all or tree_cache is None or not self.evictable_native_tokens(tree_cache):
                return self._refuse(short)
            if not tree_cache.evict(EvictParams(num_tokens=short)).num_tokens_evicted:
                return self._refuse(short)
        return True

    def _refuse(self, native_tokens: int) -> bool:
        self.note_short(Format.NATIVE, native_tokens)
        return False

    def note_short(self, fmt: Format, tokens: int) -> None:
        """So many tokens of a format were wanted at a time, and not there."""
        self.refused[fmt] = max(self.refused[fmt], -(-tokens // PAGE_TOKENS))

    def check_decode_capacity(self, *, num_tokens: int, tree_cache: Any, **_: Any) -> bool:
        """Whether the next decode step has its native pages, after evicting what may go."""
        return self.evict_to_free_tokens(tree_cache, num_tokens)

    def max_new_tokens_for_memory(
        self, input_tokens: int, max_new_tokens: int, *, token_capacity: int, **kwargs: Any
    ) -> int | None:
        """Longest answer of the asker's that fits beside its prompt into an empty pool; ``None`` if that does not."""
        regions = self.pages.regions
        if self.native_slabs is None:
            capacity = min(token_capacity, sum(regions.tokens(fmt) for fmt in Format if fmt <= self.asker.floor))
        else:  # SGLang's figure is that of the present cut
            capacity = largest_tokens(regions, self.asker.floor, self.native_slabs)
        if -(-input_tokens // PAGE_TOKENS) * PAGE_TOKENS + PAGE_TOKENS + 1 > capacity:
            return None
        kept: int | None = super().max_new_tokens_for_memory(
            input_tokens, max_new_tokens, token_capacity=capacity, **kwargs
        )
        return kept

    # Giving and taking.

    def alloc(self, need_size: int) -> torch.Tensor | None:
        """First slots to last of native pages for so many tokens, or ``None``."""
        return super().alloc(need_size) if self._stage(need_size // self.page_size) else None

    def alloc_extend(
        self, prefix_lens: Any, prefix_lens_cpu: Any, seq_lens: Any, seq_lens_cpu: Any, *args: Any, **kwargs: Any
    ) -> torch.Tensor | None:
        """Slots for prompts, or ``None``."""
        pages = get_num_new_pages(seq_lens=seq_lens_cpu, page_size=self.page_size, prefix_lens=prefix_lens_cpu)
        if not self._stage(int(pages)):
            return None
        return super().alloc_extend(prefix_lens, prefix_lens_cpu, seq_lens, seq_lens_cpu, *args, **kwargs)

    def alloc_decode(self, seq_lens: Any, seq_lens_cpu: Any, last_loc: Any) -> torch.Tensor | None:
        """A slot for each request, or ``None``."""
        pages = get_num_new_pages(seq_lens=seq_lens_cpu, page_size=self.page_size, decode=True)
        return super().alloc_decode(seq_lens, seq_lens_cpu, last_loc) if self._stage(int(pages)) else None

    def take(self, fmt: Format, count: int) -> list[int]:
        """First slots of pages to seal into.

        Raises:
            OutOfPages: There are not so many.
        """
        pages = self.pages.allocate(fmt, count)
        self._note_peak()
        return [self.pages.regions.slot(fmt, page.number) for page in pages]

    def give_back(self, slots: Iterable[int]) -> None:
        """Free the pages with these first slots, at once."""
        self._put_back([self._page(slot // PAGE_TOKENS) for slot in slots])

    def settle_frees(self) -> None:
        """Free at once what SGLang would free when it has looked at all results of a step.

        Who makes room in between would not see what is free by then, and evict one prefix after the other for it.
        """
        if self.free_group is not None:
            self.free_group_end()
            self.free_group_begin()

    def clear(self) -> None:
        """Free everything."""
        super().clear()
        self.pages = RegionAllocator(self.pages.regions)
        self.live_pages, self.next_decode_tokens, self.peak = NONE_LIVE, 0, NONE_LIVE
        self.live_slots = np.empty(0, np.int32)
        self.refused.clear()
        self.free_pages = torch.empty(0, dtype=torch.int64)

    def get_all_free_pages(self) -> torch.Tensor:
        """Numbers of all free pages, in the space of all formats; for SGLang's checks."""
        regions = self.pages.regions
        numbers = [
            regions.base(fmt) // PAGE_TOKENS + number
            for fmt in Format
            for number in regions.pages(fmt)
            if number + fmt > 0 and not self.pages.references(Page(fmt, number))
        ]
        return torch.tensor(numbers, dtype=torch.int64)

    def merge_and_sort_free(self) -> None:
        """Free pages are in order already."""

    def _stage(self, count: int) -> bool:
        """Take native pages for the base class to hand out: its list of free pages is what was taken for this call."""
        try:
            pages = self.pages.allocate(Format.NATIVE, count)
        except OutOfPages:
            return False
        self.free_pages = torch.tensor([page.number for page in pages], dtype=torch.int64)
        self._note_peak()
        return True

    def _release_page_ids(self, *page_ids: torch.Tensor) -> None:
        self._put_back([self._page(number) for ids in page_ids for number in ids.tolist()])

    def _put_back(self, pages: list[Page]) -> None:
        self.pages.release(pages)
        if self.debug_mode:  # SGLANG_DEBUG_MEMORY_POOL: whoever still reads these shall notice
            self.get_kvcache().poison(pages)

    def _page(self, number: int) -> Page:
        """A page by its number in the space of all formats."""
        regions = self.pages.regions
        fmt = regions.format(number * PAGE_TOKENS)
        return Page(fmt, number - regions.base(fmt) // PAGE_TOKENS)

    def _note_peak(self) -> None:
        used = self.used_bytes()
        if sum(used.values()) > self.peak_bytes:
            self.peak = used


def ask_for(req: Any, allocator: Any, sealed_loads: int = 0) -> None:
    """The next questions to ``allocator`` are about ``req``: SGLang asks how much fits, and does not say for whom."""
    if isinstance(allocator, MixedAllocator):
        allocator.asker = Asker(req.kv_floor, req.prefix_len, sealed_loads)
