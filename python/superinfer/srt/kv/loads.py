"""What would be loaded from the host, by format, and whether there is room for it in the formats that it has there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sglang.srt.mem_cache.unified_cache.component_type import BASE_COMPONENT_TYPE

from superinfer.kv import PAGE_TOKENS, Format
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.host_pool import MixedKVPoolHost
from superinfer.srt.kv.measure import formats_of

Counts = NDArray[np.int64]
"""Pages by format, ``[formats]``."""

NOTHING: Counts = np.zeros(len(Format), np.int64)


class Loads:
    """Looks at our tree with a host tier.

    Args:
        core: The tree.
        allocator: Pages of the device.
        host_pool: Those of the host.
    """

    def __init__(self, core: Any, allocator: MixedAllocator, host_pool: MixedKVPoolHost) -> None:
        self._core, self._allocator, self._pool = core, allocator, host_pool

    def pages(self, node_id: int | None) -> Counts:
        """Of a node and those above it, what is on the host only; nothing if the node is gone."""
        node, found = self._core.node_or_none(node_id), NOTHING
        while node is not None and node.evicted and node.parent is not None:
            found = found + _counts(self._pool.formats(node.component_data[BASE_COMPONENT_TYPE].host_value))
            node = node.parent
        return found

    def sealed_tokens(self, node_id: int | None) -> int:
        """Tokens of these in sealed pages."""
        pages = self.pages(node_id)
        return PAGE_TOKENS * int(pages.sum() - pages[Format.NATIVE])

    def native_tokens(self, node_id: int | None) -> float:
        """Native tokens whose load would take as long."""
        shape = self._pool.arena.shape
        weights = [shape.ratio(fmt) for fmt in Format]
        return float(PAGE_TOKENS * (self.pages(node_id) @ weights))

    def fits(self, node_id: int, *, at_once: bool = False, native_reserve: int = 0) -> bool:
        """Whether what is on the host finds room on the device, as far as evicting idle prefixes can make any.

        Args:
            node_id: Up to which node it would be loaded.
            at_once: Without evicting anything.
            native_reserve: Native pages to leave.
        """
        wanted = self.pages(node_id)
        own = NOTHING if at_once else self._idle_above(node_id)
        for fmt in Format:
            room = self._allocator.pages.available(fmt)
            if not at_once:  # what hangs above is read by whoever reads this
                room += max(0, self._allocator.idle_pages(fmt) - int(own[fmt]))
            if wanted[fmt] and wanted[fmt] > room - (native_reserve if fmt is Format.NATIVE else 0):
                return False
        return True

    def _idle_above(self, node_id: int) -> Counts:
        """Pages on the device of a node and those above it that nobody reads yet."""
        node, found = self._core.node_or_none(node_id), NOTHING
        while node is not None and node.parent is not None:
            if not node.evicted:
                slots = node.component_data[BASE_COMPONENT_TYPE].value[::PAGE_TOKENS].numpy()
                idle = slots[~np.isin(slots, self._allocator.live_slots)]
                found = found + _counts(formats_of(self._allocator.pages.regions, idle))
            node = node.parent
        return found


def _counts(formats: NDArray[np.int64]) -> Counts:
    return np.bincount(formats, minlength=len(Format))


def loads_of(cache: Any) -> Loads | None:
    """Of our cache; ``None`` where there is no host tier for pages of several formats."""
    loads: Loads | None = getattr(cache, "loads", None)
    return loads
