"""Boundaries that move on SGLang's real tree: what lies in the way is copied, and who named it finds it again."""

import pytest

from superinfer.kv import Format, Shift
from superinfer.slo import SLO
from support.mixed_kv import MixedKv

pytestmark = pytest.mark.integration

BATCH, INTERACTIVE = SLO(cls="batch"), SLO(cls="interactive")


def native_pages(kv):
    return kv.allocator.pages.used(Format.NATIVE)


def recut(kv, *boundaries):
    shift = Shift(Format.NATIVE, Format.INT4, 0, "queue", boundaries)
    kv.keeper.boundaries.carry_out(kv.now_us, shift, kv.running)
    return kv.regions.boundaries == boundaries[-1]


def rows(kv, req):
    return kv.rows.req_to_token[req.kv.req_pool_idx, : len(req.tokens)].tolist()


def with_a_page_at_the_boundary(tokens=320):
    """A native region whose last pages are live, and whose first ones are free."""
    kv = MixedKv("2m", "auto")
    reqs = [kv.arrive([number] * tokens, INTERACTIVE) for number in range(4)]
    assert all(map(kv.admit, reqs))
    for req in reqs[:2]:
        kv.leave(req, checkpoint=False)
    kv.allocator.make_room(Format.NATIVE, 47 - native_pages(kv) + 20)
    return kv, reqs[2:]


def test_pages_that_requests_read_are_copied_out_of_the_way():
    kv, reqs = with_a_page_at_the_boundary()
    before = [rows(kv, req) for req in reqs]
    first, second = kv.regions.boundaries
    assert recut(kv, (first - 1, second))
    assert before != [rows(kv, req) for req in reqs]
    assert kv.keeper.books.copied > 0
    kv.check()
    for req in reqs:
        for token in range(40):
            assert kv.decode(req, token)
    kv.check()


def test_cached_prefixes_in_the_way_are_copied_where_there_is_room_and_evicted_where_there_is_none():
    kv, reqs = with_a_page_at_the_boundary()
    for req in reqs:
        kv.leave(req, checkpoint=True)
    held = native_pages(kv)
    assert held == 20
    assert recut(kv, (2, 4))
    assert native_pages(kv) == held
    assert recut(kv, (1, 4))
    assert native_pages(kv) == 10
    kv.check()


def test_pinned_prefixes_are_copied_out_of_the_way_and_stay_pinned():
    kv, reqs = with_a_page_at_the_boundary()
    node = reqs[1].last_node
    kv.leave(reqs[1], checkpoint=True)
    locks = [kv.tree.lock(node), kv.tree.lock(node)]
    kv.keeper.pinned = lambda: (node, node)
    kv.keeper.look(kv.running, None)
    before = kv.tree.path_device_indices(node).tolist()
    assert recut(kv, (2, 4))
    assert kv.tree.path_device_indices(node).tolist() != before
    kv.check()
    for lock in locks:
        kv.tree.unlock(lock)
    kv.keeper.pinned = tuple
    kv.check()


def test_the_boundary_stays_where_somebody_unknown_reads_a_page():
    kv, reqs = with_a_page_at_the_boundary()
    node = reqs[1].last_node
    lock = kv.tree.lock(node)  # as a copy to the host does
    before = kv.regions.boundaries
    assert not recut(kv, (2, 4))
    assert kv.regions.boundaries == before
    kv.check()
    kv.tree.unlock(lock)
    kv.now_us += 10**7
    assert recut(kv, (2, 4))
    kv.check()


def test_native_and_int4_trade_across_a_full_region_in_the_middle():
    kv = MixedKv("2m", "auto")
    for token in (5, 6):
        assert kv.admit(kv.arrive([token] * 900, SLO(cls="batch", kv="int8")))
    assert kv.allocator.pages.available(Format.INT8) <= 2
    assert recut(kv, (3, 5), (4, 5))
    assert kv.keeper.books.copied >= 50
    kv.check()
    assert recut(kv, (2, 5), (2, 3))
    kv.check()


def test_cached_batch_prefixes_get_memory_that_nobody_else_needs():
    kv = MixedKv("2m", "auto")
    began = kv.regions.region_bytes(Format.INT4)
    for number in range(30):
        req = kv.arrive([number] * 600, BATCH)
        assert kv.admit(req)
        kv.leave(req, checkpoint=True)
        kv.begin_pass(elapsed_us=12_000_000)
    assert kv.regions.region_bytes(Format.INT4) > began
    assert kv.allocator.pages.used(Format.INT4) > 390
    assert kv.keeper.books.moved_slabs[Format.INT4] > 0
    kv.check()


def test_native_requests_get_memory_that_cached_batch_prefixes_have():
    kv = MixedKv("2m", "auto")
    for number in range(12):
        req = kv.arrive([number] * 1000, BATCH)
        assert kv.admit(req)
        kv.leave(req, checkpoint=True)
    reqs = [kv.arrive([100 + number] * 600, INTERACTIVE) for number in range(4)]
    for req in reqs:
        if not kv.admit(req):  # it was refused: the next pass has room
            kv.begin_pass(waiting=[req])
            assert kv.admit(req)
    assert kv.regions.region_bytes(Format.NATIVE) > 3 * kv.regions.slab_bytes
    kv.check()
