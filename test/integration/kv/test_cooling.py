"""Prefixes that cool are made coarser before anything is evicted, in the order of the cache."""

import pytest

from superinfer.cache.learned import Learned
from superinfer.cache.rule import LRU
from superinfer.kv import Format
from superinfer.slo import SLO
from superinfer.srt.cache.pins import Pins
from superinfer.srt.kv.order import order_of
from support.mixed_kv import MixedKv
from unit.cache.factory import constant

pytestmark = pytest.mark.integration

BATCH, NATIVE_ONLY = SLO(cls="batch"), SLO(cls="interactive")
REGIONS = "native:0.5,int8:0.125,int4:0.375"
NATIVE_PAGES = 111
ORDERS = {"SGLang's": None, "LRU": LRU, "learned": lambda: Learned(constant(0.1, 0.1, 0.1, 0.1))}


@pytest.fixture(params=ORDERS)
def kv(request):
    kv = MixedKv("4m", REGIONS, late=True, rule=ORDERS[request.param])
    assert kv.allocator.pages.available(Format.NATIVE) == NATIVE_PAGES
    yield kv
    kv.check()


def prompt(seed, pages, tokens=1):
    return [seed] * (32 * pages) + [9] * tokens


def serve(kv, tokens, slo):
    """A request comes, is computed, and leaves its full pages in the tree."""
    req = kv.arrive(tokens, slo)
    assert kv.admit(req)
    found = req.tokens_found
    kv.leave(req, checkpoint=True)
    return found


def free(kv, fmt=Format.NATIVE):
    return kv.allocator.pages.available(fmt)


def cached(kv, tokens, slo):
    return kv.cached_formats(tokens, slo)


def test_while_there_is_enough_pages_stay_native(kv):
    serve(kv, prompt(1, 20), BATCH)
    assert cached(kv, prompt(1, 20), BATCH) == [Format.NATIVE] * 20
    assert (kv.keeper.books.late, sum(kv.keeper.books.sealed.values())) == (20, 0)


def test_who_reads_too_much_of_the_native_memory_is_sealed_at_once(kv):
    req = kv.arrive(prompt(1, 30), BATCH)
    assert kv.admit(req)
    assert kv.formats(req) == [Format.INT8] + [Format.INT4] * 29 + [Format.NATIVE]
    kv.leave(req, checkpoint=True)
    assert kv.keeper.books.late == 0


def test_what_was_used_last_is_made_coarser_last_and_from_its_end(kv):
    serve(kv, prompt(1, 12), BATCH)
    serve(kv, prompt(2, 12), BATCH)
    serve(kv, prompt(3, 12), NATIVE_ONLY)
    kv.now_s = 1.0
    assert serve(kv, prompt(1, 12), BATCH) == 12 * 32
    kv.allocator.make_room(Format.NATIVE, free(kv) + 4)  # and sixteen more, while it is about it
    assert cached(kv, prompt(2, 12), BATCH) == [Format.INT8] + [Format.INT4] * 11
    assert cached(kv, prompt(1, 12), BATCH) == [Format.NATIVE] * 4 + [Format.INT4] * 8
    assert cached(kv, prompt(3, 12), NATIVE_ONLY) == [Format.NATIVE] * 12
    assert kv.keeper.books.compressed == {(Format.NATIVE, Format.INT4): 19, (Format.NATIVE, Format.INT8): 1}


def test_where_the_coarse_region_is_full_the_oldest_goes_and_the_newer_takes_its_place(kv):
    others = kv.allocator.take(Format.INT4, free(kv, Format.INT4) - 24)
    others += kv.allocator.take(Format.INT8, free(kv, Format.INT8) - 3)
    for seed in (1, 2):
        serve(kv, prompt(seed, 13), BATCH)
        kv.allocator.make_room(Format.NATIVE, NATIVE_PAGES - 2)
        kv.now_s += 10.0
    assert free(kv, Format.INT4) == 0
    serve(kv, prompt(3, 13), BATCH)
    kv.now_s += 1.0
    kv.allocator.make_room(Format.NATIVE, NATIVE_PAGES - 1)
    assert len(cached(kv, prompt(1, 13), BATCH)) < 13
    assert Format.INT4 in cached(kv, prompt(3, 13), BATCH)
    assert len(cached(kv, prompt(3, 13), BATCH)) == 13
    kv.allocator.give_back(others)


def test_a_step_finds_native_pages_without_asking(kv):
    for seed in range(1, 11):
        serve(kv, prompt(seed, 11), BATCH)
    assert free(kv) < 6
    kv.begin_pass()
    assert free(kv) >= 6
    assert all(len(cached(kv, prompt(seed, 11), BATCH)) == 11 for seed in range(1, 11))


def test_of_two_alike_the_one_that_takes_more_room_goes():
    kv = MixedKv("4m", REGIONS, rule=ORDERS["learned"])
    serve(kv, prompt(1, 2), BATCH)
    serve(kv, prompt(2, 2), NATIVE_ONLY)
    kv.evict(32)
    assert len(cached(kv, prompt(1, 2), BATCH)) == 2
    assert len(cached(kv, prompt(2, 2), NATIVE_ONLY)) < 2
    kv.check()


def test_pins_of_native_pages_leave_room_to_who_accepts_no_others():
    kv = MixedKv("4m", REGIONS, rule=LRU)
    pins = Pins(kv.tree, 0.3)

    def pin(seed, pages, slo):
        serve(kv, prompt(seed, pages), slo)
        return pins.pin(str(seed), kv.last_node(prompt(seed, pages), slo), 10.0)

    assert pin(1, 20, NATIVE_ONLY)
    assert not pin(2, 25, NATIVE_ONLY)  # more than three tenths of the native memory, not of all
    assert pin(3, 25, BATCH)
    assert pins.tokens() == 45 * 32
    kv.keeper.pinned = pins.nodes
    kv.keeper.look([], None)
    assert kv.allocator.evictable_native_tokens(kv.tree) == kv.tree.evictable_size() == 25 * 32
    pins.follow(1.0, [(NATIVE_PAGES - 10) * 32, 0, 0])
    assert set(pins.pins) == {"3"}
    pins.follow(1.0, [0, 0, kv.tokens])
    assert not pins.pins
    kv.check()


def test_what_is_made_coarser_is_not_lost():
    kv = MixedKv("4m", "auto", late=True)
    lost = kv.keeper.boundaries.lost
    serve(kv, prompt(1, 12), BATCH)
    kv.allocator.make_room(Format.NATIVE, free(kv) + 4)
    assert not lost
    serve(kv, prompt(2, 12), NATIVE_ONLY)
    kv.allocator.make_room(Format.NATIVE, free(kv) + 4)
    assert lost == {Format.NATIVE: 4}
    kv.check()


def test_what_leaves_while_sglang_holds_frees_back_is_seen_at_once(kv):
    for seed in range(4):
        serve(kv, prompt(seed, 12), NATIVE_ONLY)
    pages = free(kv)
    kv.allocator.free_group_begin()
    kv.allocator.make_room(Format.NATIVE, pages + 3)
    assert pages + 3 <= free(kv) <= pages + 12
    kv.allocator.free_group_end()
    assert sum(len(cached(kv, prompt(seed, 12), NATIVE_ONLY)) for seed in range(4)) >= 36


def test_what_stands_on_idle_pages_of_a_format_is_found(kv):
    longer = prompt(1, 3, 0) + prompt(2, 26)
    serve(kv, prompt(1, 3), BATCH)
    serve(kv, longer, BATCH)
    first, *_, last = cached(kv, longer, BATCH)
    assert first is not last
    order, leaf = order_of(kv.tree, lambda: kv.regions), kv.last_node(longer, BATCH)
    assert order.covering(first) == leaf
    lock = kv.tree.lock(leaf)
    assert order.covering(first) is None
    kv.tree.unlock(lock)


def test_nothing_else_goes_where_nothing_can_be_had(kv):
    serve(kv, prompt(1, 12), BATCH)
    kv.allocator.make_room(Format.NATIVE, free(kv) + 1)  # makes it coarser
    kept = cached(kv, prompt(1, 12), BATCH)
    assert not kv.allocator.evict_to_free_tokens(kv.tree, 32 * (NATIVE_PAGES + 1))
    assert [fmt for fmt in cached(kv, prompt(1, 12), BATCH) if fmt is not Format.NATIVE] == [
        fmt for fmt in kept if fmt is not Format.NATIVE
    ]
