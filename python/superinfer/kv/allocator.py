"""Who holds which page: free lists by region, references, and plans for moving what must move.

Nothing here touches a byte of keys or values. What has to be copied is returned as a list of moves, and the caller does
it before the pages it was freed from are written.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from superinfer.kv.formats import Format
from superinfer.kv.regions import Regions


class OutOfPages(RuntimeError):
    """A region has fewer free pages than were asked for; nothing was changed."""


@dataclass(frozen=True, slots=True, order=True)
class Page:
    """A page by format and number."""

    format: Format
    number: int


@dataclass(frozen=True, slots=True)
class Move:
    """Copy one page to another: a change of place within a format, or a change of format."""

    source: Page
    target: Page


class RegionAllocator:
    """Pages of one memory with regions.

    Every page is free or has references, one for each holder: a request, or a node of the radix tree.

    Args:
        regions: The memory.
    """

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self._free = {fmt: _FreePages(fmt, _usable(regions, fmt)) for fmt in Format}
        self._references: dict[Page, int] = {}

    @property
    def regions(self) -> Regions:
        """The memory as it is cut now."""
        return self._regions

    def available(self, fmt: Format) -> int:
        """Free pages of a region."""
        return len(self._free[fmt])

    def used(self, fmt: Format) -> int:
        """Pages of a region that somebody holds."""
        return len(_usable(self._regions, fmt)) - self.available(fmt)

    def used_bytes(self, fmt: Format) -> int:
        """Bytes of these pages."""
        return self.used(fmt) * self._regions.shape.page_bytes(fmt)

    def references(self, page: Page) -> int:
        """Holders of a page; 0 if it is free."""
        return self._references.get(page, 0)

    def allocate(self, fmt: Format, count: int) -> list[Page]:
        """Take free pages, each with one reference.

        Raises:
            OutOfPages: There are not so many.
        """
        free = self._free[fmt]
        if count > len(free):
            raise OutOfPages(f"{count} pages of {fmt.label} wanted, {len(free)} are free")
        pages = [Page(fmt, free.take()) for _ in range(count)]
        for page in pages:
            self._references[page] = 1
        return pages

    def share(self, pages: Iterable[Page]) -> None:
        """Add a holder to each page.

        Raises:
            KeyError: A page is free.
        """
        for page in pages:
            self._check_held(page)
            self._references[page] += 1

    def release(self, pages: Iterable[Page]) -> None:
        """Take a holder from each page; the last one frees it.

        Raises:
            KeyError: A page is free already.
        """
        for page in pages:
            self._check_held(page)
            self._references[page] -= 1
            if self._references[page] == 0:
                self._put_back(page)

    def fork(self, page: Page) -> Move:
        """Give one holder a copy of its own, to write to; the others keep the page.

        Raises:
            KeyError: The page is free.
            OutOfPages: There is no room for a copy.
        """
        self._check_held(page)
        (copy,) = self.allocate(page.format, 1)
        self.release([page])
        return Move(page, copy)

    def demote(self, page: Page, fmt: Format) -> Move:
        """Replace a page by one of a coarser format, which takes over all its references.

        Raises:
            KeyError: The page is free.
            ValueError: The format is not coarser.
            OutOfPages: There is no room in its region.
        """
        self._check_held(page)
        if fmt not in page.format.coarser:
            raise ValueError(f"a page of {page.format.label} cannot become {fmt.label}, which is not coarser")
        (target,) = self.allocate(fmt, 1)
        self._references[target] = self._references[page]
        self._put_back(page)
        return Move(page, target)

    def rebalance(self, boundaries: tuple[int, int]) -> list[Move]:
        """Move the boundaries between the regions, and out of the way what lives in between.

        Returns:
            The moves, whose targets are in use after it in place of their sources. They may be done in any order: no
            target overlaps a source.

        Raises:
            ValueError: The boundaries are none.
            OutOfPages: A region would not hold what lives in it; nothing was changed.
        """
        after = self._regions.moved(boundaries)
        moves = [move for fmt in Format for move in self._evacuation(fmt, _usable(after, fmt))]
        for move in moves:
            self._references[move.target] = self._references.pop(move.source)
        self._regions = after
        held = {fmt: {page.number for page in self._references if page.format is fmt} for fmt in Format}
        self._free = {fmt: _FreePages(fmt, (n for n in _usable(after, fmt) if n not in held[fmt])) for fmt in Format}
        return moves

    def homeless(self, fmt: Format, boundaries: tuple[int, int]) -> tuple[list[Page], int]:
        """Pages of a format in use that these boundaries would drive out, and free ones for them to go to."""
        kept = _usable(self._regions.moved(boundaries), fmt)
        return self._outside(fmt, kept), len(self._free[fmt].within(kept))

    def _outside(self, fmt: Format, kept: range) -> list[Page]:
        return sorted(page for page in self._references if page.format is fmt and page.number not in kept)

    def _evacuation(self, fmt: Format, kept: range) -> list[Move]:
        """Moves of what lives outside ``kept`` to free pages inside it."""
        homeless, room = self._outside(fmt, kept), self._free[fmt].within(kept)
        if len(homeless) > len(room):
            raise OutOfPages(
                f"{len(homeless)} pages of {fmt.label} would have to move, and {len(room)} of those that stay are free"
            )
        return [Move(page, Page(fmt, number)) for page, number in zip(homeless, room, strict=False)]

    def _check_held(self, page: Page) -> None:
        if page not in self._references:
            raise KeyError(f"page {page.number} of {page.format.label} is free")

    def _put_back(self, page: Page) -> None:
        del self._references[page]
        self._free[page.format].put(page.number)


def _usable(regions: Regions, fmt: Format) -> range:
    """Pages that may be given away: not the first native one."""
    pages = regions.pages(fmt)
    return pages[1:] if fmt is Format.NATIVE else pages


class _FreePages:
    """Free pages of a format, nearest the end of the memory first at which its region begins to fill.

    Native and int8 regions fill upwards, the int4 region downwards: the outer two are emptiest where they border on
    others, so that a boundary can move with few pages to copy.
    """

    def __init__(self, fmt: Format, numbers: Iterable[int]) -> None:
        self._sign = -1 if fmt is Format.INT4 else 1
        self._heap = [self._sign * number for number in numbers]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def take(self) -> int:
        """The first."""
        return self._sign * heapq.heappop(self._heap)

    def put(self, number: int) -> None:
        """One more."""
        heapq.heappush(self._heap, self._sign * number)

    def within(self, kept: range) -> Sequence[int]:
        """Those among ``kept``, in order."""
        return [self._sign * key for key in sorted(self._heap) if self._sign * key in kept]
