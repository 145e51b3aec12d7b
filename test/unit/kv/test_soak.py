"""Two hours of traffic in simulated time over pages, balancer, and a model of the tree: nothing leaks or overlaps."""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from superinfer.kv import (
    Balancer,
    Demand,
    Format,
    KvShape,
    OutOfPages,
    Page,
    RegionAllocator,
    Regions,
    page_format,
    reserve_slabs,
)

pytestmark = pytest.mark.unit

NATIVE, INT8, INT4 = Format
SHAPE = KvShape(layers=2, heads=2, k_dim=64, v_dim=64)
PASS_US = 2_000_000
STEP_PAGES = 16
HOURS = 2


@dataclass(eq=False, slots=True)
class Request:
    """Pages in their order; the last one is open. ``shared`` of them belong to a cached prefix, too."""

    floor: Format
    wanted: int
    prompt: int
    pages: list[Page] = field(default_factory=list)
    shared: int = 0
    key: int = 0


class Server:
    """What the scheduler, the keeper and the tree do with pages, without a token."""

    def __init__(self, seed, slabs=40):
        self.random = random.Random(seed)
        self.pages = RegionAllocator(Regions(SHAPE, slabs, (16, 20)))
        self.reserve = reserve_slabs(self.pages.regions, 512)
        self.balancer = Balancer(self.reserve)
        self.now_us = 0
        self.running: list[Request] = []
        self.waiting: list[Request] = []
        self.cached: dict[tuple[Format, int], list[Page]] = {}
        self.used: dict[tuple[Format, int], int] = {}
        self.refused: Counter[Format] = Counter()
        self.lost: Counter[Format] = Counter()
        self.shifts = []
        self.blocked = self.served = self.sealed = self.spilled = self.aborted = 0

    # Traffic.

    def rates(self):
        """Arrivals a pass by floor: who comes changes every quarter of an hour."""
        quarter = self.now_us // (900 * 1_000_000)
        return [
            {NATIVE: 0.6},
            {NATIVE: 0.1, INT4: 1.0},
            {INT4: 1.2},
            {NATIVE: 0.4, INT8: 0.3, INT4: 0.4},
            {INT8: 1.0},
            {NATIVE: 1.2, INT4: 0.1},
            {},
            {NATIVE: 0.3, INT8: 0.3, INT4: 0.3},
        ][quarter % 8]

    def arrive(self):
        for floor, rate in self.rates().items():
            if self.random.random() < rate and len(self.waiting) < 60:
                prompt = self.random.choice([1, 4, 20, 60])
                wanted = prompt + self.random.choice([1, 3, 10])
                self.waiting.append(Request(floor, wanted, prompt, key=self.random.randrange(40)))

    # Pages.

    def allocate(self, count):
        """Native pages, after evicting prefixes that hold some; ``None`` if there are not so many."""
        if self.pages.available(NATIVE) < count:
            self.lost[NATIVE] += count - self.pages.available(NATIVE)
            self.evict(NATIVE, count)
        try:
            return self.pages.allocate(NATIVE, count)
        except OutOfPages:
            self.refused[NATIVE] = max(self.refused[NATIVE], count - self.pages.available(NATIVE))
            return None

    def evict(self, fmt, count):
        if self.pages.available(fmt) >= count:
            return
        live = {page for request in self.running for page in request.pages}
        for key in sorted(self.cached, key=self.used.__getitem__):
            if self.pages.available(fmt) >= count:
                break
            held = self.cached[key]
            if any(page.format is fmt for page in held) and not live.intersection(held):
                self.pages.release(self.cached.pop(key))
                del self.used[key]

    def rename(self, moves):
        names = {move.source: move.target for move in moves}
        for held in (*(request.pages for request in self.running), *self.cached.values()):
            held[:] = [names.get(page, page) for page in held]

    def seal(self, request):
        """Full pages of the request's own into its format."""
        for place in range(request.shared, len(request.pages) - 1):
            page, fmt = request.pages[place], page_format(request.floor, place)
            if fmt not in page.format.coarser:
                continue
            if not self.pages.available(fmt):
                self.lost[fmt] += 1
                self.evict(fmt, 1)
            try:
                request.pages[place] = self.pages.demote(page, fmt).target
                self.sealed += 1
            except OutOfPages:
                self.refused[fmt] += 1
                self.spilled += 1

    # Life of a request.

    def admit(self):
        for request in list(self.waiting)[:4]:
            prefix = self.cached.get((request.floor, request.key), [])
            keep = prefix[: min(len(prefix), request.prompt - 1)]
            if len(self.running) >= 24 or not self.allocate_for(request, keep):
                break
            self.waiting.remove(request)
            self.running.append(request)

    def allocate_for(self, request, keep):
        self.pages.share(keep)
        request.pages, request.shared = list(keep), len(keep)
        self.running.append(request)  # evicting must see that it reads its prefix
        new = self.allocate(min(STEP_PAGES, request.prompt - len(keep)))
        self.running.remove(request)
        if new is None:
            self.pages.release(request.pages)
            request.pages = []
            return False
        request.pages += new
        if keep:
            self.used[request.floor, request.key] = self.now_us
        return True

    def grow(self, request):
        count = min(STEP_PAGES, max(1, request.prompt - len(request.pages)))
        new = self.allocate(count)
        if new is None:
            self.leave(request)  # parked: what it had stays cached
            request.wanted = max(request.wanted - len(request.pages), 1)
            request.pages, request.prompt = [], min(request.prompt, request.wanted)
            self.waiting.insert(0, request)
        else:
            request.pages += new

    def leave(self, request):
        """The prefix of full pages goes to the tree, unless one is there; the rest is freed."""
        key = (request.floor, request.key)
        self.running.remove(request)
        if key not in self.cached and len(request.pages) > 1:
            self.cached[key], self.used[key] = request.pages[:-1], self.now_us
            self.pages.release(request.pages[-1:])
        else:
            self.pages.release(request.pages)

    # A pass.

    def step(self):
        self.now_us += PASS_US
        for request in self.running:
            self.seal(request)
        self.balance()
        self.arrive()
        self.admit()
        for request in list(self.running):
            if self.random.random() < 0.01:
                self.running.remove(request)
                self.pages.release(request.pages)
                self.aborted += 1
            elif len(request.pages) >= request.wanted:
                self.leave(request)
                self.served += 1
            elif request in self.running:
                self.grow(request)

    def demands(self):
        live = Counter(page.format for page in {page for request in self.running for page in request.pages})
        floors, prompts = (Counter(request.floor for request in part) for part in (self.running, self.waiting))
        soon = {fmt: floors[fmt] + STEP_PAGES * (prompts[fmt] > 0) for fmt in Format}
        soon[NATIVE] = 2 * (8 + len(self.running)) + STEP_PAGES * bool(self.waiting)
        queued = sum(request.prompt for request in self.waiting[:8] if request.floor is NATIVE)
        oldest = {}
        for key, held in self.cached.items():
            for fmt in {page.format for page in held}:
                oldest[fmt] = min(oldest.get(fmt, self.now_us), self.used[key])
        return {
            fmt: Demand(
                live[fmt],
                self.pages.used(fmt) - live[fmt],
                self.pages.available(fmt),
                soon=soon[fmt],
                refused=self.refused[fmt],
                queued=queued if fmt is NATIVE else 0,
                lost=self.lost[fmt],
                age=self.now_us - oldest.get(fmt, self.now_us),
            )
            for fmt in Format
        }

    def balance(self):
        due = self.balancer.caches_due(self.now_us)
        shift = self.balancer.decide(self.now_us, self.pages.regions, self.demands())
        self.refused.clear()
        if due:
            self.lost.clear()
        for boundaries in shift.boundaries if shift else ():
            for fmt in Format:
                homeless, room = self.pages.homeless(fmt, boundaries)
                self.evict(fmt, self.pages.available(fmt) + len(homeless) - room)
            try:
                self.rename(self.pages.rebalance(boundaries))
            except OutOfPages:
                self.balancer.failed(self.now_us)
                self.blocked += 1
                return
        if shift:
            self.shifts.append((self.now_us, shift))

    # What must hold.

    def check(self):
        pages, regions = self.pages, self.pages.regions
        holders = Counter(page for held in self.cached.values() for page in held)
        holders.update(page for request in self.running for page in request.pages)
        for fmt in Format:
            held = [page for page in holders if page.format is fmt]
            assert pages.used(fmt) == len(held)
            assert all(page.number in regions.pages(fmt) for page in held)
        assert all(pages.references(page) == count for page, count in holders.items())
        assert len(regions.region_slabs(NATIVE)) >= self.reserve
        for request in self.running:
            assert all(page.format <= page_format(request.floor, place) for place, page in enumerate(request.pages))

    def check_bytes(self):
        """No two pages that are in use or free share a byte."""
        spans = sorted(
            (number * SHAPE.page_bytes(fmt), (number + 1) * SHAPE.page_bytes(fmt))
            for fmt in Format
            for number in self.pages.regions.pages(fmt)
        )
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("seed", range(2))
def test_two_hours(seed):
    server = Server(seed)
    for turn in range(HOURS * 3600 * 1_000_000 // PASS_US):
        server.step()
        if turn % 5 == 0:
            server.check()
        if turn % 100 == 0:
            server.check_bytes()
    assert server.served > 1000
    assert server.aborted > 100
    takers = Counter(shift.taker for _, shift in server.shifts)
    assert all(takers[fmt] > 0 for fmt in Format)
    assert server.spilled < 0.05 * server.sealed
    assert len(server.shifts) < 240, "memory moves when the mix changes, not all the time"
    for request in list(server.running):
        server.leave(request)
    while server.cached:
        server.pages.release(server.cached.popitem()[1])
    assert all(server.pages.used(fmt) == 0 for fmt in Format)
