"""Native pages of the tree are sealed while requests read them, when native memory has run short."""

import pytest

from superinfer.cache.rule import LRU
from superinfer.kv import Format
from superinfer.slo import SLO
from support.mixed_kv import MixedKv

pytestmark = pytest.mark.integration

BATCH, CHAT = SLO(cls="batch"), SLO(cls="interactive")
SEALED = [Format.INT8] + [Format.INT4] * 9
SHARED = [7] * 320


@pytest.fixture(params=[None, LRU], ids=["SGLang's", "ours"])
def kv(request):
    """Half of the native memory, 47 pages, may be read before anything is sealed."""
    return MixedKv("2m", "native:0.75,int8:0.1,int4:0.15", late=True, rule=request.param)


def run_short(kv):
    """Chat comes, and reads more than half of the native memory."""
    reqs = [kv.arrive([100 + number] * 640, CHAT) for number in range(2)]
    assert all(map(kv.admit, reqs))
    return reqs


def test_what_went_into_the_tree_as_native_is_sealed_for_all_who_read_it(kv):
    first, second = kv.arrive(SHARED, BATCH), kv.arrive([*SHARED, *[8] * 40], BATCH)
    assert kv.admit(first)
    assert kv.admit(second)
    assert set(kv.formats(first)) == {Format.NATIVE}
    run_short(kv)
    kv.begin_pass()
    assert kv.formats(first) == kv.formats(second)[:10] == SEALED
    kv.check()
    for req in (first, second):
        for token in range(40):
            assert kv.decode(req, token)
    kv.check()
    kv.leave(first, checkpoint=True)
    kv.leave(second, checkpoint=True)
    assert kv.cached_formats([*SHARED, 0], BATCH) == SEALED
    kv.check()


def test_pins_are_known_and_what_somebody_unknown_has_locked_stays(kv):
    req = kv.arrive(SHARED, BATCH)
    assert kv.admit(req)
    lock = kv.tree.lock(req.last_node)
    run_short(kv)
    kv.begin_pass()
    assert set(kv.formats(req)) == {Format.NATIVE}
    kv.keeper.pinned = lambda: (req.last_node,)
    kv.begin_pass()
    assert kv.formats(req) == SEALED
    kv.check()
    kv.keeper.pinned = tuple
    kv.tree.unlock(lock)


def test_chat_stays_native(kv):
    reqs = run_short(kv)
    kv.begin_pass()
    assert all(set(kv.formats(req)) == {Format.NATIVE} for req in reqs)
    assert not kv.keeper.books.compressed


def test_what_found_no_room_is_sealed_when_there_is_some():
    kv = MixedKv("2m", "native:0.75,int8:0.1,int4:0.15")
    reqs = [kv.arrive([number] * 990, BATCH) for number in range(9)]
    assert all(map(kv.admit, reqs))
    left = [kv.formats(req).count(Format.NATIVE) for req in reqs]
    assert sum(left) > 20
    kv.leave(reqs[0], checkpoint=False)
    kv.evict(990)
    kv.begin_pass()
    assert sum(kv.formats(req).count(Format.NATIVE) for req in reqs[1:]) < sum(left[1:])
    kv.check()


def test_regions_follow_when_nothing_can_be_sealed_and_native_memory_fills_up():
    kv = MixedKv("2m", "auto", late=True, least_slabs=64)
    running = []
    for number in range(60):
        req = kv.arrive([number] * 200, BATCH)
        kv.begin_pass(waiting=[req])
        if kv.admit(req):
            running.append(req)
        for each in running:
            kv.decode(each, number)
        if len(running) > 15:
            break
    assert len(running) > 15  # native alone would have room for 16 of these, and for nothing else
    assert kv.allocator.pages.used(Format.INT4) > 60
    kv.check()
