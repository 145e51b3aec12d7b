"""One logical index space over one piece of memory, cut into a region of pages for each format.

Each layer has a piece of memory for keys and one for values, both cut at the same *slabs*. Every format counts its
pages from the beginning of that memory: page ``i`` lies at ``i`` times the format's page size, wherever the boundaries
are. A boundary says which pages may be used and nothing else, so that moving one changes no number.

Slots are numbered format by format: all that native pages could have, then int8, then int4. The format of a slot is a
comparison with two constants, and its address a multiplication. Page 0 is native and never given away: SGLang writes
there what it does not need.
"""

from dataclasses import dataclass, replace

from superinfer.kv.formats import PAGE_TOKENS, Format
from superinfer.kv.layout import KvShape

SLAB_PAGES = 16
"""Native pages of a slab, by which boundaries move."""


@dataclass(frozen=True, slots=True)
class Regions:
    """Which pages of each format may be used.

    Where keys and values have different dimensions, a page may lie within a region for one and not for the other: such
    a model loses some of each region.

    Attributes:
        shape: Of the model.
        slabs: Of the whole memory.
        boundaries: The slabs with which the int8 and the int4 region begin.
        slab_pages: Native pages of a slab.

    Raises:
        ValueError: The boundaries do not rise from 1 to ``slabs``.
    """

    shape: KvShape
    slabs: int
    boundaries: tuple[int, int]
    slab_pages: int = SLAB_PAGES

    def __post_init__(self) -> None:
        first, second = self.boundaries
        if not 1 <= first <= second <= self.slabs:
            raise ValueError(f"boundaries must rise from 1 to {self.slabs} slabs, not {self.boundaries}")

    @property
    def slab_bytes(self) -> int:
        """Bytes of a slab in all layers, keys and values."""
        return self.slab_pages * self.shape.page_bytes(Format.NATIVE)

    @property
    def bytes(self) -> int:
        """Bytes of the whole memory."""
        return self.slabs * self.slab_bytes

    def region_slabs(self, fmt: Format) -> range:
        """The slabs of a region."""
        edges = (0, *self.boundaries, self.slabs)
        return range(edges[fmt], edges[fmt + 1])

    def region_bytes(self, fmt: Format) -> int:
        """Bytes of a region in all layers, keys and values."""
        return len(self.region_slabs(fmt)) * self.slab_bytes

    def pages(self, fmt: Format) -> range:
        """The pages that lie within the region, of keys and of values."""
        slabs = self.region_slabs(fmt)
        ranges = [_whole(slabs, slab, page) for slab, page in self._sizes(fmt)]
        first = max(pages.start for pages in ranges)
        return range(first, max(first, min(pages.stop for pages in ranges)))

    def capacity(self, fmt: Format) -> int:
        """Pages of the format that the whole memory could have: how many numbers its slots take."""
        return min(self.slabs * slab // page for slab, page in self._sizes(fmt))

    def base(self, fmt: Format) -> int:
        """The first slot of the format."""
        return PAGE_TOKENS * sum(self.capacity(other) for other in Format if other < fmt)

    @property
    def slots(self) -> tuple[int, int, int]:
        """The first slots of int8 and of int4, and the one after the last: what kernels have to know."""
        first = self.base(Format.INT4)
        return self.base(Format.INT8), first, first + PAGE_TOKENS * self.capacity(Format.INT4)

    def format(self, slot: int) -> Format:
        """The format of a slot.

        Raises:
            ValueError: There is no such slot.
        """
        int8, int4, end = self.slots
        if not 0 <= slot < end:
            raise ValueError(f"slot {slot} is outside the KV cache")
        return Format((slot >= int8) + (slot >= int4))

    def slot(self, fmt: Format, page: int) -> int:
        """The first slot of a page."""
        return self.base(fmt) + PAGE_TOKENS * page

    def tokens(self, fmt: Format) -> int:
        """Tokens that the region holds; of the native one, without the page that is never given away."""
        return PAGE_TOKENS * (len(self.pages(fmt)) - (fmt is Format.NATIVE))

    def slack_bytes(self, fmt: Format) -> int:
        """Bytes of the region that are less than a page: what its edges cost, in all layers."""
        return self.region_bytes(fmt) - len(self.pages(fmt)) * self.shape.page_bytes(fmt)

    def moved(self, boundaries: tuple[int, int]) -> "Regions":
        """The same memory cut elsewhere."""
        return replace(self, boundaries=boundaries)

    def _sizes(self, fmt: Format) -> tuple[tuple[int, int], tuple[int, int]]:
        """Bytes of a slab and of a page: keys, then values, in one layer."""
        keys, values = self.shape.key_page_bytes, self.shape.value_page_bytes
        return (
            (self.slab_pages * keys(Format.NATIVE), keys(fmt)),
            (self.slab_pages * values(Format.NATIVE), values(fmt)),
        )


def _whole(slabs: range, slab_bytes: int, page_bytes: int) -> range:
    """Pages entirely within these slabs."""
    return range(-(-slabs.start * slab_bytes // page_bytes), slabs.stop * slab_bytes // page_bytes)
