"""Which region gives memory to which, as the mix of requests changes.

The policy looks at pages: what requests in the engine read (*live*), what is only cached (*idle*), and what is free.
Live pages are nobody's to take. Needs come in an order, and the earlier one may take more:

1. *step*: native pages without which the next step, or a request that was let in, has no room;
2. *seal*: pages to seal into, which requests want that are in the engine or about to be; before the first, if native
   pages are free, as they are few, and sealing frees more of them than it takes;
3. *queue*: native pages for those who wait;
4. *cache*: prefixes are evicted in one region, while another has free pages, or far older prefixes.

The first two take free and idle pages at once, down to what the giver needs itself for its next step. The last two take
only what a region has not needed for a while, or what is free in one that nobody uses now, and nothing from one that
was given memory a moment ago. Regions grow when there is a need and shrink when it has been gone for some time, so that
memory does not go to and fro. Between caches, each change of direction makes the next one wait longer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from superinfer.kv.formats import PAGE_TOKENS, Format
from superinfer.kv.regions import Regions
from superinfer.kv.sizing import native_pages_needed

Reason = Literal["step", "seal", "queue", "cache"]

NATIVE_SHARE: Final = 0.25
"""Part of the memory that stays native, whoever is there: for those who come and accept nothing else."""

AGE_RATIO: Final = 4
"""How many times older the oldest prefix of a region must be than that of another for its memory to go there."""

WINDOW_US: Final = 10_000_000
"""A region is thought to need what it has needed within so long, and keeps for so long what it was given."""

LONGEST_HOLD_US: Final = 32 * WINDOW_US
"""How long a region at most waits to give what it was given, or to take what it gave, for the sake of caches."""

PERIOD_US: Final = 1_000_000
"""How often memory may move for the sake of caches."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Pages of a format.

    Attributes:
        live: In use by requests in the engine.
        idle: In use by cached prefixes that nobody reads.
        free: In use by nobody.
        soon: That the next step may take.
        refused: That were asked for in the last one, and not there.
        queued: That those who wait would take.
        lost: Cached ones that had to go for want of room since the last decision for caches.
        age: How long ago the oldest idle page was used, in any unit that all formats have in common.
    """

    live: int
    idle: int
    free: int
    soon: int = 0
    refused: int = 0
    queued: int = 0
    lost: int = 0
    age: int = 0

    @property
    def spare(self) -> int:
        """Pages that can be had without taking any from a request in the engine."""
        return self.idle + self.free


@dataclass(frozen=True, slots=True)
class Shift:
    """Memory goes from one region to another.

    Attributes:
        giver: Whose slabs go.
        taker: Who gets them.
        slabs: How many.
        reason: For what.
        boundaries: Where they shall be; one after the other, so that what lies in between always has room to move.
    """

    giver: Format
    taker: Format
    slabs: int
    reason: Reason
    boundaries: tuple[tuple[int, int], ...]


class Balancer:
    """Decides on one shift at a time.

    Args:
        native_slabs: Slabs that stay native.
    """

    def __init__(self, native_slabs: int) -> None:
        self._floors = {fmt: native_slabs if fmt is Format.NATIVE else 0 for fmt in Format}
        self._soon = {fmt: _Peak() for fmt in Format}
        self._needed = {fmt: _Peak() for fmt in Format}
        self._turns = {fmt: _Turns() for fmt in Format}
        self._took_us: dict[Format, int] = {}
        self._rests_until_us = 0
        self._caches_due_us = 0

    def decide(self, now_us: int, regions: Regions, demands: Mapping[Format, Demand]) -> Shift | None:
        """What to move now, if anything.

        Args:
            now_us: The time.
            regions: As they are cut.
            demands: Of every format.
        """
        for fmt, demand in demands.items():
            self._soon[fmt].note(now_us, demand.soon)
            self._needed[fmt].note(now_us, demand.live + demand.soon)
        if now_us < self._rests_until_us:
            return None
        shift = next(self._wishes(now_us, regions, demands), None)
        if shift:
            self._took_us[shift.taker] = now_us
            if shift.reason == "cache":
                self._turns[shift.taker].note(now_us, takes=True)
                self._turns[shift.giver].note(now_us, takes=False)
        return shift

    def failed(self, now_us: int) -> None:
        """The last shift could not be carried out: something was in the way that will not go at once."""
        self._rests_until_us = now_us + PERIOD_US

    def _wishes(self, now_us: int, regions: Regions, demands: Mapping[Format, Demand]) -> Iterator[Shift]:
        at_once, at_leisure = self._urgent_rooms(regions, demands), self._settled_rooms(now_us, regions, demands)
        yield from self._gains(regions, demands)
        for fmt in Format:
            want = demands[fmt]
            lack = want.soon + want.refused - want.spare
            if lack > 0:
                reason: Reason = "step" if fmt is Format.NATIVE else "seal"
                yield from _shifts(regions, demands, self._floors, fmt, lack, at_once, reason)
        native = demands[Format.NATIVE]
        lack = native.soon + native.queued - native.spare
        if lack > 0:
            yield from _shifts(regions, demands, self._floors, Format.NATIVE, lack, at_leisure, "queue")
        if self.caches_due(now_us):
            self._caches_due_us = now_us + PERIOD_US
            for fmt in Format:
                if demands[fmt].lost and self._turns[fmt].may(now_us, takes=True):
                    givers = {giver for giver in Format if self._turns[giver].may(now_us, takes=False)} - {fmt}
                    rooms = _for_caches(fmt, demands, {giver: at_leisure[giver] for giver in givers})
                    lack = min(demands[fmt].lost, max(rooms.values(), default=0) // 2 + 1)
                    yield from _shifts(regions, demands, self._floors, fmt, lack, rooms, "cache")

    def _gains(self, regions: Regions, demands: Mapping[Format, Demand]) -> Iterator[Shift]:
        """Free native memory for pages that could not be sealed, where more of it is free when they are.

        Without that, native pages that nobody could seal would fill all of it for as long as requests come.
        """
        free = {Format.NATIVE: demands[Format.NATIVE].free}
        for fmt in (Format.INT8, Format.INT4):
            lack = demands[fmt].refused - demands[fmt].spare
            if lack > 0 and page_slabs(regions, fmt, lack) * regions.slab_pages < lack:
                yield from _shifts(regions, demands, self._floors, fmt, lack, free, "seal")

    def _urgent_rooms(self, regions: Regions, demands: Mapping[Format, Demand]) -> dict[Format, int]:
        """Pages that each format can give at once. In an empty engine nobody needs anything but who comes in."""
        if not any(demand.live for demand in demands.values()):
            return {fmt: demand.spare for fmt, demand in demands.items()}
        return {
            fmt: demand.spare - self._soon[fmt].value - _guard(regions, fmt)
            if demand.live or demand.soon
            else demand.spare
            for fmt, demand in demands.items()
        }

    def _settled_rooms(self, now_us: int, regions: Regions, demands: Mapping[Format, Demand]) -> dict[Format, int]:
        """Pages that each format has not needed for a while, and was not given lately; or free ones nobody is after."""
        rooms = {}
        for fmt, demand in demands.items():
            unused = 0 if demand.live or demand.soon else demand.free
            settled = demand.live + demand.spare - self._needed[fmt].value - _guard(regions, fmt)
            held = now_us - self._took_us.get(fmt, -WINDOW_US) < WINDOW_US
            rooms[fmt] = unused if held else max(settled, unused)
        return rooms

    def caches_due(self, now_us: int) -> bool:
        """Whether the next decision looks at caches: only then ``lost`` and ``age`` matter."""
        return now_us >= self._caches_due_us


class _Peak:
    """The largest value of the last half to whole window."""

    def __init__(self) -> None:
        self._since_us = 0
        self._before = 0
        self._now = 0

    @property
    def value(self) -> int:
        return max(self._before, self._now)

    def note(self, now_us: int, value: int) -> None:
        if now_us - self._since_us >= WINDOW_US // 2:
            self._before = self._now if now_us - self._since_us < WINDOW_US else 0
            self._since_us, self._now = now_us, value
        else:
            self._now = max(self._now, value)


class _Turns:
    """When a region may give for the sake of caches that took, and the other way round: later with each turn.

    A load that stays the same would else pass slabs on between caches that are all too small.
    """

    def __init__(self) -> None:
        self._took: bool | None = None
        self._since_us = 0
        self._hold_us = WINDOW_US

    def may(self, now_us: int, *, takes: bool) -> bool:
        return self._took in (None, takes) or now_us - self._since_us >= self._hold_us

    def note(self, now_us: int, *, takes: bool) -> None:
        if self._took not in (None, takes):
            soon = now_us - self._since_us < 4 * self._hold_us
            self._hold_us = min(2 * self._hold_us, LONGEST_HOLD_US) if soon else WINDOW_US
        self._took, self._since_us = takes, now_us


def reserve_slabs(regions: Regions, step_tokens: int) -> int:
    """Slabs that stay native: the share, or what a step of so many prompt tokens needs, if that is more."""
    pages = native_pages_needed(step_tokens) + 1  # one of them is never given away
    return min(regions.slabs, max(int(NATIVE_SHARE * regions.slabs), -(-pages // regions.slab_pages)))


def largest_tokens(regions: Regions, floor: Format, native_slabs: int) -> int:
    """Tokens that one request could have, were the memory cut for it alone, but for what regions keep for themselves.

    Args:
        regions: Of this memory.
        floor: The coarsest format that the request accepts.
        native_slabs: Slabs that stay native.
    """
    middle = min(native_slabs + 1, regions.slabs)
    cut = {
        Format.NATIVE: (regions.slabs, regions.slabs),
        Format.INT8: (native_slabs, regions.slabs),
        Format.INT4: (native_slabs, middle),
    }[floor]
    best = regions.moved(cut)
    kept = sum(_guard(regions, fmt) for fmt in Format if fmt < floor)
    return sum(best.tokens(fmt) for fmt in Format) - PAGE_TOKENS * kept


def page_slabs(regions: Regions, fmt: Format, pages: int) -> int:
    """Slabs for so many pages, wherever the boundaries are: a page may be lost at the edge."""
    return -(-(pages + 1) * regions.shape.page_bytes(fmt) // regions.slab_bytes)


def _guard(regions: Regions, fmt: Format) -> int:
    """Pages that a giver keeps beyond its own needs: a slab, or where the memory is small, a part of it."""
    of_memory = regions.slabs // 16 * regions.slab_bytes if regions.slabs >= 16 else regions.bytes // 32
    return min(regions.slab_bytes, of_memory) // regions.shape.page_bytes(fmt)


def _for_caches(taker: Format, demands: Mapping[Format, Demand], rooms: Mapping[Format, int]) -> dict[Format, int]:
    """Of these rooms, what is free, and what holds prefixes that are far older than the taker's."""
    return {
        fmt: room if demands[fmt].age > AGE_RATIO * demands[taker].age else min(room, demands[fmt].free)
        for fmt, room in rooms.items()
    }


def _shifts(
    regions: Regions,
    demands: Mapping[Format, Demand],
    floors: Mapping[Format, int],
    taker: Format,
    lack: int,
    rooms: Mapping[Format, int],
    reason: Reason,
) -> Iterator[Shift]:
    """Ways to give ``taker`` what it lacks, or some of it: free memory before cached prefixes, then who has most."""
    needed = page_slabs(regions, taker, lack)
    grain = max(needed, regions.slabs // 64)
    offers = []
    for giver, room in rooms.items():
        spare_slabs = len(regions.region_slabs(giver)) - floors[giver]
        room_slabs = _whole_slabs(regions, giver, room)
        offer = min(room_slabs, spare_slabs, needed)
        free = min(_whole_slabs(regions, giver, min(room, demands[giver].free)), spare_slabs, grain)
        if giver is not taker and offer > 0:
            offers.append((free >= needed, max(offer, free), room_slabs, giver))
    for _, slabs, _, giver in sorted(offers, reverse=True):
        for count in range(slabs, 0, -1):
            boundaries = _recut(regions, giver, taker, count)
            after = regions.moved(boundaries[-1])
            if all(after.tokens(fmt) // PAGE_TOKENS >= demands[fmt].live for fmt in Format):
                yield Shift(giver, taker, count, reason, boundaries)
                break


def _whole_slabs(regions: Regions, fmt: Format, pages: int) -> int:
    """Slabs of a region that so many of its pages fill, wherever they lie; all of them, if it has no more pages."""
    if pages * PAGE_TOKENS >= regions.tokens(fmt):
        return len(regions.region_slabs(fmt))
    return max(0, pages - 1) * regions.shape.page_bytes(fmt) // regions.slab_bytes


def _recut(regions: Regions, giver: Format, taker: Format, slabs: int) -> tuple[tuple[int, int], ...]:
    """The boundaries of a shift, one after the other. The region in the middle first takes, and then gives on."""
    first, second = regions.boundaries
    down = giver > taker  # memory goes towards the beginning: boundaries go up
    first_after, second_after = (first + slabs, second + slabs) if down else (first - slabs, second - slabs)
    if {giver, taker} == {Format.NATIVE, Format.INT8}:
        return ((first_after, second),)
    if {giver, taker} == {Format.INT8, Format.INT4}:
        return ((first, second_after),)
    passing = (first, second_after) if down else (first_after, second)
    return passing, (first_after, second_after)
