"""Pages of all formats go to the host and come back as they are, on SGLang's real tree and with real copies."""

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from integration.kv.test_keeper import CLASSES, PROMPTS, Traffic
from superinfer.cache.learned import Learned
from superinfer.cache.rule import LRU
from superinfer.kv import PAGE_TOKENS, Format, Shift
from superinfer.slo import SLO
from support.mixed_host import MixedHost
from unit.cache.factory import predictor

pytestmark = pytest.mark.integration

WRITES = ("write_through", "write_through_selective", "write_back")
BATCH, INTERACTIVE = SLO(cls="batch"), SLO(cls="interactive")
REGIONS = "native:0.4,int8:0.2,int4:0.4"


class WithHost(Traffic):
    """The same traffic, where what leaves goes to the host and may come back, and copies fail or do not."""

    @initialize(
        budget=st.sampled_from(["768k", "2m"]),
        regions=st.sampled_from(
            ["native:0.34,int8:0.33,int4:0.33", "native:0.5,int4:0.5", "native:0.5,int8:0.5", "auto"]
        ),
        late=st.booleans(),
        rule=st.sampled_from([LRU, lambda: Learned(predictor())]),
        write=st.sampled_from(WRITES),
        ratio=st.sampled_from([0.1, 0.5, 4.0]),
    )
    def start(self, budget, regions, late, rule, write, ratio):
        self.kv = MixedHost(budget, regions, late=late, rule=rule, write=write, ratio=ratio)

    @rule(pages=st.integers(1, 40))
    def evict(self, pages):
        self.kv.evict(pages * PAGE_TOKENS)

    @rule(tokens=PROMPTS, slo=CLASSES)
    def come_back(self, tokens, slo):
        self.kv.find(self.kv.arrive(tokens, slo))

    @rule(ways=st.sets(st.sampled_from(["store", "load"])))
    def fail(self, ways):
        self.kv.fails = ways

    @precondition(lambda self: not self.kv.running)
    @rule()
    def flush(self):
        self.kv.tree.reset()
        self.kv.allocator.clear()
        assert self.kv.host.used_bytes == 0


WithHost.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWithHost = WithHost.TestCase


def prompt(seed, pages):
    return [seed] * (PAGE_TOKENS * pages) + [9]


def serve(kv, tokens, slo):
    """A request comes, is computed, and leaves its full pages in the tree; returns what it found there."""
    req = kv.arrive(tokens, slo)
    assert kv.admit(req)
    kv.leave(req, checkpoint=True)
    return req.tokens_found


def bits(kv, tokens, slo):
    """All that the device holds of a prompt, as it is."""
    slots = kv.tree.path_device_indices(kv.last_node(tokens, slo))[::PAGE_TOKENS].tolist()
    pages = []
    for slot in slots:
        fmt = kv.regions.format(slot)
        page = (slot - kv.regions.base(fmt)) // PAGE_TOKENS
        pages += [memory[page].clone() for layer in range(2) for memory in kv.pool.pages_of(layer, fmt)]
    return torch.cat(pages)


def evict_all(kv):
    kv.poll()
    kv.evict(kv.tree.evictable_size())
    assert kv.tree.evictable_size() == 0


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("slo", [INTERACTIVE, BATCH, SLO(cls="batch", kv="int8")], ids=["native", "int4", "int8"])
def test_what_leaves_comes_back_bit_for_bit(write, slo):
    kv = MixedHost("2m", REGIONS, write=write)
    for _ in range(2):  # selective copies at the second use
        serve(kv, prompt(1, 8), slo)
    formats, before = kv.cached_formats(prompt(1, 8), slo), bits(kv, prompt(1, 8), slo)
    assert len(formats) == 8
    evict_all(kv)
    assert sum(kv.allocator.used_bytes().values()) == 0
    assert kv.on_host(prompt(1, 8), slo) == formats
    assert kv.host.used_bytes == sum(map(kv.regions.shape.page_bytes, formats))
    serve(kv, prompt(2, 3), slo)  # others lie where it lay
    assert serve(kv, prompt(1, 8), slo) == 8 * PAGE_TOKENS
    assert kv.cached_formats(prompt(1, 8), slo) == formats
    assert torch.equal(bits(kv, prompt(1, 8), slo), before)
    kv.check()


def test_who_is_parked_comes_back_in_its_formats():
    kv = MixedHost("2m", REGIONS)
    req = kv.arrive([5] * 100, BATCH)
    assert kv.admit(req)
    for token in range(100):
        assert kv.decode(req, token)
    formats = kv.formats(req)[:6]
    assert formats == SEALED[:6]
    kv.leave(req, checkpoint=True)
    evict_all(kv)
    assert kv.on_host(req.tokens, BATCH) == formats
    back = kv.arrive(req.tokens, BATCH)
    assert kv.admit(back)
    assert back.tokens_found == 6 * PAGE_TOKENS
    assert kv.formats(back)[:6] == formats
    for token in range(40):
        assert kv.decode(back, token)
    kv.check()


def test_sealed_pages_take_a_fraction_of_the_host():
    used = {}
    for slo in (INTERACTIVE, BATCH):
        kv = MixedHost("2m", REGIONS)
        serve(kv, prompt(1, 16), slo)
        evict_all(kv)
        used[slo] = kv.host.used_bytes
    assert used[BATCH] < 0.4 * used[INTERACTIVE]


@pytest.mark.parametrize("write", ["write_through", "write_back"])
def test_a_host_that_is_full_lets_go_until_there_are_bytes(write):
    kv = MixedHost("2m", REGIONS, write=write, ratio=0.25)
    for seed in range(3, 30):
        serve(kv, prompt(seed, 8), BATCH)
        kv.now_s += 1.0
        evict_all(kv)
    native = kv.regions.shape.page_bytes(Format.NATIVE)
    assert kv.host.used_bytes > kv.budget_bytes - native
    for seed in range(3):
        serve(kv, prompt(seed, 8), INTERACTIVE)
        kv.now_s += 1.0
        evict_all(kv)
        kv.check()
        assert kv.on_host(prompt(seed, 8), INTERACTIVE) == [Format.NATIVE] * 8
    assert kv.host.used_bytes <= kv.budget_bytes
    assert kv.on_host(prompt(3, 8), BATCH) == []
    assert kv.recovery.by_what()["evicted"] > 0


def test_what_is_larger_than_the_host_is_dropped_and_nothing_goes_for_it():
    kv = MixedHost("2m", REGIONS, ratio=0.01)
    serve(kv, prompt(1, 1), INTERACTIVE)
    evict_all(kv)
    held = kv.host.used_bytes
    assert held > 0
    serve(kv, prompt(2, 2), INTERACTIVE)  # one node
    evict_all(kv)
    assert kv.on_host(prompt(2, 2), INTERACTIVE) == []
    assert kv.host.used_bytes == held
    kv.check()


def late(write, **options):
    """Prefixes lie native in the tree, and native memory runs short."""
    kv = MixedHost("4m", "native:0.5,int8:0.125,int4:0.375", write=write, late=True, **options)
    serve(kv, prompt(1, 12), BATCH)
    kv.poll()
    return kv


def cool(kv):
    kv.allocator.make_room(Format.NATIVE, kv.allocator.pages.available(Format.NATIVE) + 1)


SEALED = [Format.INT8] + [Format.INT4] * 11


def test_copies_of_pages_that_are_made_coarser_become_coarser():
    kv = late("write_through")
    page_bytes = kv.regions.shape.page_bytes
    assert kv.host.used_bytes == 12 * page_bytes(Format.NATIVE)
    cool(kv)
    assert kv.cached_formats(prompt(1, 12), BATCH) == SEALED
    assert kv.host.used_bytes == sum(map(page_bytes, SEALED))
    before = bits(kv, prompt(1, 12), BATCH)
    kv.check()
    evict_all(kv)
    assert kv.on_host(prompt(1, 12), BATCH) == SEALED
    assert serve(kv, prompt(1, 12), BATCH) == 12 * PAGE_TOKENS
    assert torch.equal(bits(kv, prompt(1, 12), BATCH), before)
    kv.check()


def test_a_copy_that_cannot_be_made_coarser_is_given_up():
    kv = late("write_through")
    kv.fails = {"store"}
    cool(kv)
    assert kv.cached_formats(prompt(1, 12), BATCH) == SEALED
    assert kv.host.used_bytes == 0
    assert kv.recovery.by_what()["offload_failed"] > 0
    kv.check()


def test_what_makes_room_in_native_memory_goes_to_the_host():
    kv = MixedHost("2m", REGIONS)
    serve(kv, prompt(1, 8), INTERACTIVE)
    kv.allocator.make_room(Format.NATIVE, kv.allocator.pages.available(Format.NATIVE) + 8)
    assert kv.on_host(prompt(1, 8), INTERACTIVE) == [Format.NATIVE] * 8
    kv.check()


def test_what_has_no_room_in_its_formats_is_not_loaded_and_nothing_goes_for_it():
    kv = MixedHost("2m", REGIONS)
    serve(kv, prompt(1, 8), BATCH)
    evict_all(kv)
    others = kv.allocator.take(Format.INT4, kv.allocator.pages.available(Format.INT4) - 3)
    serve(kv, prompt(2, 4), BATCH)
    kv.allocator.live_pages = {**kv.allocator.live_pages, Format.INT4: len(others)}
    held = kv.tree.evictable_size()
    kv.allocator.refused.clear()
    assert not kv.bring_back(kv.match(prompt(1, 8), BATCH).best_match_node)
    assert kv.tree.evictable_size() == held
    assert kv.allocator.refused[Format.INT4] == 7
    assert kv.on_host(prompt(1, 8), BATCH) == SEALED[:8]
    kv.allocator.give_back(others)
    kv.allocator.live_pages = {**kv.allocator.live_pages, Format.INT4: 0}
    assert serve(kv, prompt(1, 8), BATCH) == 8 * PAGE_TOKENS
    kv.check()


def test_idle_prefixes_make_room_for_a_load():
    kv = MixedHost("2m", REGIONS)
    serve(kv, prompt(1, 8), BATCH)
    evict_all(kv)
    seed = 2
    while kv.allocator.pages.available(Format.INT4) >= 7:
        serve(kv, prompt(seed, 8), BATCH)
        seed += 1
    assert serve(kv, prompt(1, 8), BATCH) == 8 * PAGE_TOKENS
    kv.check()


@pytest.mark.parametrize("write", ["write_through", "write_back"])
def test_a_load_that_fails_is_computed_again(write):
    kv = MixedHost("2m", REGIONS, write=write)
    serve(kv, prompt(1, 8), BATCH)
    evict_all(kv)
    kv.fails = {"load"}
    assert serve(kv, prompt(1, 8), BATCH) == 0
    assert kv.recovery.by_what()["load_failed"] == 8 * PAGE_TOKENS
    kv.fails = set()
    kv.check()
    assert serve(kv, prompt(1, 8), BATCH) == 8 * PAGE_TOKENS


def test_written_at_eviction_a_failure_costs_the_prefix():
    kv = MixedHost("2m", REGIONS)
    serve(kv, prompt(1, 8), BATCH)
    kv.fails = {"store"}
    evict_all(kv)
    assert (kv.host.used_bytes, kv.on_host(prompt(1, 8), BATCH)) == (0, [])
    kv.check()


@pytest.mark.parametrize("write", ["write_through", "write_back"])
def test_boundaries_move_past_what_is_on_the_host(write):
    kv = MixedHost("2m", "auto", write=write)
    for seed in range(6):
        serve(kv, prompt(seed, 10), (BATCH, INTERACTIVE)[seed % 2])
        if seed == 2:
            evict_all(kv)
    kv.poll()
    slabs = kv.regions.slabs
    for cut in ((slabs, slabs), (1, 1), (1, slabs), (slabs // 2, slabs // 2 + 1)):
        kv.now_us += 10**7
        kv.keeper.boundaries.carry_out(kv.now_us, Shift(Format.NATIVE, Format.INT4, 0, "queue", (cut,)), kv.running)
        assert kv.regions.boundaries == cut
        kv.check()
    for seed in range(6):
        slo = (BATCH, INTERACTIVE)[seed % 2]
        assert serve(kv, prompt(seed, 10), slo) == 10 * PAGE_TOKENS
        kv.check()


def test_what_is_computed_again_for_want_of_room_finds_its_copy_unharmed():
    """The device may then hold a finer page than the host: each keeps its own format."""
    kv = MixedHost("2m", REGIONS)
    serve(kv, prompt(1, 8), BATCH)
    evict_all(kv)
    others = [kv.allocator.take(fmt, kv.allocator.pages.available(fmt)) for fmt in (Format.INT8, Format.INT4)]
    assert serve(kv, prompt(1, 8), BATCH) == 0
    assert kv.cached_formats(prompt(1, 8), BATCH) == [Format.NATIVE] * 8
    assert kv.host.used_bytes == sum(map(kv.regions.shape.page_bytes, SEALED[:8]))
    for pages in others:
        kv.allocator.give_back(pages)
    kv.check()
    evict_all(kv)
    assert serve(kv, prompt(1, 8), BATCH) == 8 * PAGE_TOKENS
    assert kv.cached_formats(prompt(1, 8), BATCH) == SEALED[:8]
    kv.check()
