"""What became of pages, counted; for ``/superinfer/state`` and for Prometheus."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from superinfer import metrics as table
from superinfer.kv import Format, Regions
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.metrics import create


@dataclass(slots=True)
class KvBooks:
    """Counts of a scheduler, since it started.

    Attributes:
        requests: Requests that arrived, by the coarsest format that they accept.
        sealed: Pages that were sealed, by the format they got.
        compressed: Pages of cached prefixes that were made coarser, by the format they had and the one they got.
        spilled: Times a full page got a finer format than it might have, or stayed native, for want of room.
        late: Full pages that went into the tree as native ones because there was enough native memory.
        changes: How often cached prefixes were made coarser: what is known of their formats holds until the next time.
        moved_slabs: Slabs that regions got from others.
        copied: Pages that were copied out of the way of a boundary.
    """

    requests: Counter[Format] = field(default_factory=Counter)
    sealed: Counter[Format] = field(default_factory=Counter)
    compressed: Counter[tuple[Format, Format]] = field(default_factory=Counter)
    spilled: int = 0
    late: int = 0
    changes: int = 0
    moved_slabs: Counter[Format] = field(default_factory=Counter)
    copied: int = 0

    def state(self, allocator: MixedAllocator) -> dict[str, Any]:
        """Regions and counts in plain JSON types."""
        pages, regions = allocator.pages, allocator.pages.regions
        return {
            "budget_bytes": regions.bytes,
            "peak_bytes": allocator.peak_bytes,
            "peak_bytes_by_format": {fmt.label: allocator.peak[fmt] for fmt in Format},
            "balances": allocator.native_slabs is not None,
            "formats": {
                fmt.label: {
                    "tokens": regions.tokens(fmt),
                    "region_bytes": regions.region_bytes(fmt),
                    "moved_bytes": self.moved_slabs[fmt] * regions.slab_bytes,
                    "pages_used": pages.used(fmt),
                    "bytes_used": pages.used_bytes(fmt),
                    "requests": self.requests[fmt],
                    "sealed_pages": self.sealed[fmt],
                    "compressed_pages": {to.label: self.compressed[fmt, to] for to in fmt.coarser},
                }
                for fmt in Format
            },
            "spilled_pages": self.spilled,
            "late_pages": self.late,
            "copied_pages": self.copied,
        }


class KvMetrics:
    """Publishes the books.

    Args:
        labels: SGLang's own.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._bytes = create(table.KV_BYTES, labels)
        self._regions = create(table.KV_REGION, labels)
        self._moved = create(table.KV_MOVED, labels)
        self._peak = create(table.KV_PEAK, labels)
        self._counters = {
            "requests": create(table.KV_REQUESTS, labels),
            "sealed": create(table.KV_SEALED, labels),
        }
        self._compressed = create(table.KV_COMPRESSED, labels)
        self._spilled = create(table.KV_SPILLED, labels)
        self._late = create(table.KV_LATE, labels)
        self._published = KvBooks()

    def publish(self, books: KvBooks, allocator: MixedAllocator) -> None:
        """Bring the metrics up to date."""
        for fmt, size in allocator.used_bytes().items():
            self._bytes.labels(**self._labels, format=fmt.label).set(size)
        self._publish_regions(books, allocator.pages.regions)
        self._peak.labels(**self._labels).set(allocator.peak_bytes)
        for name, counter in self._counters.items():
            now, before = getattr(books, name), getattr(self._published, name)
            for fmt in Format:
                if now[fmt] > before[fmt]:
                    counter.labels(**self._labels, format=fmt.label).inc(now[fmt] - before[fmt])
                    before[fmt] = now[fmt]
        for (source, target), pages in books.compressed.items():
            if new := pages - self._published.compressed[source, target]:
                self._compressed.labels(**self._labels, source=source.label, format=target.label).inc(new)
                self._published.compressed[source, target] = pages
        if books.spilled > self._published.spilled:
            self._spilled.labels(**self._labels).inc(books.spilled - self._published.spilled)
            self._published.spilled = books.spilled
        if books.late > self._published.late:
            self._late.labels(**self._labels).inc(books.late - self._published.late)
            self._published.late = books.late

    def _publish_regions(self, books: KvBooks, regions: Regions) -> None:
        before = self._published.moved_slabs
        for fmt in Format:
            labels = {**self._labels, "format": fmt.label}
            self._regions.labels(**labels).set(regions.region_bytes(fmt))
            if books.moved_slabs[fmt] > before[fmt]:
                self._moved.labels(**labels).inc((books.moved_slabs[fmt] - before[fmt]) * regions.slab_bytes)
                before[fmt] = books.moved_slabs[fmt]
