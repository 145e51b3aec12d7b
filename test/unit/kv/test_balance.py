"""The balancer: needs are met in their order, live pages are nobody's, and nothing goes to and fro."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.kv import PAGE_TOKENS, Balancer, Demand, Format, KvShape, Regions, largest_tokens, reserve_slabs
from superinfer.kv.balance import NATIVE_SHARE, WINDOW_US

pytestmark = pytest.mark.unit

SHAPE = KvShape(layers=2, heads=2, k_dim=64, v_dim=64)
NATIVE, INT8, INT4 = Format
PASS_US = 50_000


def usable(regions, fmt):
    return regions.tokens(fmt) // PAGE_TOKENS


class World:
    """Regions in which each format has its live pages, and caches fill what is left."""

    def __init__(self, slabs=64, boundaries=(26, 32), native_slabs=None):
        self.regions = Regions(SHAPE, slabs, boundaries)
        self.native_slabs = reserve_slabs(self.regions, 512) if native_slabs is None else native_slabs
        self.balancer = Balancer(self.native_slabs)
        self.now_us = WINDOW_US
        self.shifts = []
        self.cached = dict.fromkeys(Format, 0)

    def demands(self, live, **more):
        """``live`` pages of each format, as far as there is room; the rest is refused."""
        found = {}
        for fmt in Format:
            room = usable(self.regions, fmt)
            held = min(live.get(fmt, 0), room)
            self.cached[fmt] = min(self.cached[fmt], room - held)
            extra = {name: values.get(fmt, 0) for name, values in more.items()}
            refused = max(extra.pop("refused", 0), live.get(fmt, 0) - held)
            found[fmt] = Demand(held, self.cached[fmt], room - held - self.cached[fmt], refused=refused, **extra)
        return found

    def step(self, live, *, elapsed_us=PASS_US, **more):
        self.now_us += elapsed_us
        demands = self.demands(live, **more)
        shift = self.balancer.decide(self.now_us, self.regions, demands)
        if shift:
            before = self.regions
            for boundaries in shift.boundaries:
                self.regions = self.regions.moved(boundaries)
            self.shifts.append(shift)
            self.check(before, demands, shift)
        return shift

    def check(self, before, demands, shift):
        """What holds after every shift."""
        slabs = {fmt: len(self.regions.region_slabs(fmt)) - len(before.region_slabs(fmt)) for fmt in Format}
        assert slabs[shift.giver] == -shift.slabs
        assert slabs[shift.taker] == shift.slabs > 0
        assert len(self.regions.region_slabs(NATIVE)) >= self.native_slabs
        for fmt in Format:
            assert usable(self.regions, fmt) >= demands[fmt].live
        if any(demand.live for demand in demands.values()) and (demands[shift.giver].live or demands[shift.giver].soon):
            sealed = demands[shift.taker].refused if (shift.giver, shift.reason) == (NATIVE, "seal") else 0
            needed = demands[shift.giver].live + demands[shift.giver].soon
            # Where there was less before, it is no less than that.
            assert usable(self.regions, shift.giver) + sealed >= min(needed, usable(before, shift.giver))

    def fill_caches(self):
        self.cached = {fmt: usable(self.regions, fmt) for fmt in Format}


def test_memory_is_left_alone_where_all_have_enough():
    world = World()
    for _ in range(300):
        assert world.step({NATIVE: 100, INT8: 10, INT4: 500}, soon={NATIVE: 40, INT4: 20}) is None


def test_refused_seals_get_memory_at_once_and_free_memory_first():
    world = World()
    world.cached[INT8] = 0
    shift = world.step({NATIVE: 100, INT4: usable(world.regions, INT4) + 100})
    assert (shift.taker, shift.reason) == (INT4, "seal")
    assert shift.giver is NATIVE
    assert usable(world.regions, INT4) >= shift.slabs * 16


def test_free_native_memory_goes_first_where_sealing_frees_more_of_it():
    world = World()
    native, int4 = usable(world.regions, NATIVE), usable(world.regions, INT4)
    shift = world.step({NATIVE: native - 20, INT4: int4 + 40}, soon={NATIVE: 30})
    assert (shift.giver, shift.taker, shift.slabs, shift.reason) == (NATIVE, INT4, 1, "seal")


def test_and_is_left_alone_where_it_frees_less():
    world = World()
    full = {fmt: usable(world.regions, fmt) for fmt in Format}
    assert world.step({**full, NATIVE: full[NATIVE] - 20, INT4: full[INT4] + 10}, soon={NATIVE: 20}) is None


def test_who_has_no_native_page_gets_one_from_cached_prefixes():
    world = World()
    world.fill_caches()
    native = usable(world.regions, NATIVE)
    shift = world.step({NATIVE: native, INT4: 300}, soon={NATIVE: 20})
    assert (shift.giver, shift.taker, shift.reason) == (INT4, NATIVE, "step")
    assert usable(world.regions, NATIVE) >= native + 20


def test_nobody_takes_live_pages():
    world = World()
    live = {fmt: usable(world.regions, fmt) for fmt in Format}
    for _ in range(100):
        assert world.step(live, soon=dict.fromkeys(Format, 30), queued={NATIVE: 1000}) is None


def test_the_native_region_keeps_its_share_for_those_who_are_not_there_yet():
    world = World()
    for _ in range(2000):
        world.step({INT4: 10**6})
    assert len(world.regions.region_slabs(NATIVE)) == int(NATIVE_SHARE * 64)


def test_who_waits_gets_what_others_have_not_needed_for_a_while():
    world = World()
    busy = {fmt: usable(world.regions, fmt) - 50 for fmt in Format}
    for _ in range(10):
        assert world.step(busy, soon={NATIVE: 20}, queued={NATIVE: 400}) is None
    quiet = busy | {INT4: 100}
    began_us = world.now_us
    while not (shift := world.step(quiet, soon={NATIVE: 20}, queued={NATIVE: 400})):
        assert world.now_us - began_us < 2 * WINDOW_US
    assert (shift.giver, shift.taker, shift.reason) == (INT4, NATIVE, "queue")
    assert world.now_us - began_us >= WINDOW_US // 2


def test_in_an_empty_engine_whoever_was_let_in_gets_all_there_is():
    world = World()
    world.fill_caches()
    wanted = largest_tokens(world.regions, NATIVE, world.native_slabs) // PAGE_TOKENS
    for _ in range(4):
        world.step({}, soon={NATIVE: 20, INT4: 16}, refused={NATIVE: wanted})
    assert usable(world.regions, NATIVE) == wanted


@pytest.mark.parametrize(("oldest", "moves"), [(100, False), (10_000, True)])
def test_older_prefixes_make_way_for_younger_ones(oldest, moves):
    world = World()
    for _ in range(300):
        world.fill_caches()
        world.step({NATIVE: 50, INT4: 50}, lost={NATIVE: 30}, age={NATIVE: 100, INT8: 50, INT4: oldest})
    assert bool(world.shifts) is moves
    assert all((shift.giver, shift.reason) == (INT4, "cache") for shift in world.shifts)


def test_free_memory_goes_to_a_cache_that_overflows():
    world = World()
    for _ in range(300):
        world.cached[NATIVE] = usable(world.regions, NATIVE)
        world.step({NATIVE: 50}, lost={NATIVE: 30}, age={NATIVE: 100})
    assert len(world.regions.region_slabs(NATIVE)) > 50


def test_after_a_shift_that_failed_there_is_a_rest():
    world = World()
    want = {INT4: usable(world.regions, INT4) + 100}
    assert world.step(want)
    world.balancer.failed(world.now_us)
    assert all(world.step({INT4: 10**5}) is None for _ in range(10))
    assert any(world.step({INT4: 10**5}) for _ in range(20))


def test_a_request_may_be_as_long_as_the_best_cut_allows():
    regions = World().regions
    native, int8, int4 = (largest_tokens(regions, fmt, 16) for fmt in Format)
    assert native == PAGE_TOKENS * (64 * 16 - 1)
    assert native < int8 < int4 < 4 * native


@pytest.mark.parametrize(("slabs", "step", "expected"), [(64, 512, 16), (64, 8192, 17), (4, 512, 2), (1, 512, 1)])
def test_the_reserve_is_a_share_or_a_step(slabs, step, expected):
    assert reserve_slabs(Regions(SHAPE, slabs, (1, 1)), step) == expected


PAGES = st.fixed_dictionaries({NATIVE: st.integers(0, 1200), INT8: st.integers(0, 800), INT4: st.integers(0, 4000)})
SOON = st.fixed_dictionaries({NATIVE: st.integers(0, 80), INT8: st.integers(0, 30), INT4: st.integers(0, 60)})


@st.composite
def worlds(draw):
    slabs = draw(st.integers(3, 80))
    native = draw(st.integers(1, slabs))
    first = draw(st.integers(native, slabs))
    return World(slabs, (first, draw(st.integers(first, slabs))), native)


@given(world=worlds(), live=PAGES, soon=SOON, queued=st.integers(0, 2000), cached=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_load_that_stays_the_same_comes_to_rest_and_nothing_comes_back(world, live, soon, queued, cached):
    """Whoever gave got nothing back, and whoever took gave nothing on; and it ends."""
    for turn in range(160):
        if cached:
            world.fill_caches()
        shift = world.step(live, elapsed_us=250_000, soon=soon, queued={NATIVE: queued})
        assert not (shift and turn > 130)
    pairs = {(shift.giver, shift.taker) for shift in world.shifts}
    assert not any((taker, giver) in pairs for giver, taker in pairs)


@given(world=worlds(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_happens_live_pages_and_the_reserve_stay(world, data):
    """``World.check`` looks after every shift."""
    for _ in range(40):
        live, soon = data.draw(PAGES), data.draw(SOON)
        if data.draw(st.booleans()):
            world.fill_caches()
        lost = data.draw(SOON)
        age = {fmt: data.draw(st.integers(0, 1000)) for fmt in Format}
        elapsed_us = data.draw(st.sampled_from([PASS_US, 1_000_000, WINDOW_US]))
        world.step(
            live, elapsed_us=elapsed_us, soon=soon, lost=lost, age=age, queued={NATIVE: data.draw(st.integers(0, 500))}
        )


@given(period=st.integers(2, 40), high=st.integers(500, 900), cached=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_load_that_swings_does_not_swing_the_memory_faster_than_the_window(period, high, cached):
    """Native and int4 want most of the memory in turn: native is given back at once, int4 only after a window."""
    world = World()
    for turn in range(800):
        native = turn // period % 2 == 0
        if cached:
            world.fill_caches()
        queued = {NATIVE: 300} if native else {}
        world.step({NATIVE: 100, INT4: 200 if native else high}, soon={NATIVE: 20, INT4: 20}, queued=queued)
    turns = sum(a.taker is b.giver for a, b in pairwise(world.shifts))
    seconds = 800 * PASS_US / 1e6
    assert turns <= 2 * seconds / (WINDOW_US / 1e6) + 2
