"""SGLang's controller of the host tier where pages have formats: what comes back gets pages of the formats it left."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sglang.srt.mem_cache.hybrid_cache.hybrid_cache_controller import HybridCacheController

from superinfer.kv import PAGE_TOKENS, Format
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.host_pool import MixedKVPoolHost, mixed_pool


class MixedCacheController(HybridCacheController):
    """Allocates pages by format on both sides."""

    mem_pool_device_allocator: MixedAllocator

    @property
    def host_pool(self) -> MixedKVPoolHost:
        """The host's pages."""
        pool = mixed_pool(self.mem_pool_host)
        assert pool is not None, "the strategy built both"
        return pool

    def allocate_host_transfers(
        self,
        device_indices: torch.Tensor,
        extra_pools: Any = None,
        *,
        reclaim: Callable[[int], Any] | None = None,
        start_owner: int | None = None,
    ) -> tuple[torch.Tensor, None] | None:
        """Host slots for a copy of these device slots; ``None`` if there is no room."""
        formats = self.host_pool.device_formats(device_indices)
        host_indices = self.host_pool.alloc_pages([Format(fmt) for fmt in formats.tolist()])
        return None if host_indices is None else (host_indices, None)

    def load(self, host_indices: torch.Tensor, *args: Any, device_indices: Any = None, **kwargs: Any) -> Any:
        """Queue a load, to pages of the same formats; returns their slots, or ``None`` if there is no room."""
        if device_indices is None and len(host_indices):
            device_indices = self._places(self.host_pool.formats(host_indices))
            if device_indices is None:
                return None
        return super().load(host_indices, *args, device_indices=device_indices, **kwargs)

    def note_short(self, counts: Iterable[int]) -> None:
        """So many pages of each format were wanted for a load, and there is no room for all of them."""
        allocator = self.mem_pool_device_allocator
        for fmt, count in zip(Format, counts, strict=True):
            if count > allocator.pages.available(fmt):
                allocator.note_short(fmt, int(count) * PAGE_TOKENS)

    def _places(self, formats: NDArray[np.int64]) -> torch.Tensor | None:
        """Slots of free pages of these formats, after making room for them."""
        allocator = self.mem_pool_device_allocator
        counts = dict(zip(Format, np.bincount(formats, minlength=len(Format)).tolist(), strict=True))
        for fmt in Format:  # finest first: what is made coarser for it needs room after it
            if allocator.pages.available(fmt) < counts[fmt]:
                allocator.make_room(fmt, counts[fmt])
        if any(allocator.pages.available(fmt) < counts[fmt] for fmt in Format):
            self.note_short(counts.values())
            return None
        first = np.empty(len(formats), np.int64)
        for fmt in Format:
            first[formats == fmt] = allocator.take(fmt, counts[fmt])
        # Who comes in with it reads it; nobody evicts it before the next pass counts anew.
        allocator.live_pages = {fmt: allocator.live_pages[fmt] + counts[fmt] for fmt in Format}
        return (torch.from_numpy(first)[:, None] + torch.arange(PAGE_TOKENS)).flatten()

    def _transfer_num_bytes(self, op: Any) -> int:
        pool = self.host_pool
        return pool.arena.bytes(pool.units(pool.formats(op.host_indices)))
