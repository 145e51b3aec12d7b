"""What is loaded ahead finds room in its own formats, and is held there without hiding native memory."""

from types import SimpleNamespace

import pytest

from superinfer.kv import PAGE_TOKENS, Format
from superinfer.sched.step_time import StepTime
from superinfer.slo import SLO
from superinfer.srt.host.tier import HostTier
from superinfer.srt.kv.host_memory import MixedMemory
from support.mixed_host import MixedHost
from support.mixed_kv import MixedKv
from unit.sched.jobs import BATCH as JOB_SLO
from unit.sched.jobs import job

pytestmark = pytest.mark.integration

BATCH, INTERACTIVE = SLO(cls="batch"), SLO(cls="interactive")
REGIONS = "native:0.4,int8:0.2,int4:0.4"


class Req(SimpleNamespace):
    __hash__ = object.__hash__


class World:
    """Prefixes on the host, and requests that wait for them."""

    def __init__(self, rate=None):
        self.kv = MixedHost("2m", REGIONS)
        self.step_time = StepTime()
        memory = MixedMemory(self.kv.keeper, self.kv.tree.loads, self.kv.host)
        self.tier = HostTier(self.kv.tree, memory, self.step_time, self.kv.tokens, rate)
        self.reqs, self.jobs = {}, []

    def cached(self, seed, pages, slo):
        req = self.kv.arrive([seed] * (PAGE_TOKENS * pages) + [9], slo)
        assert self.kv.admit(req)
        self.kv.leave(req, checkpoint=True)
        self.kv.evict(self.kv.tree.evictable_size())
        return req.tokens

    def wait(self, tokens, slo):
        waiting = Req(**vars(self.kv.arrive(tokens, slo)))
        self.look_up([waiting])
        self.reqs[len(self.jobs)] = waiting
        found = waiting.host_hit_length
        self.jobs.append(job(len(self.jobs), JOB_SLO, prompt=len(tokens), computed=0, host_tokens=found))
        return waiting

    def look_up(self, reqs):
        for req in reqs:
            found = MixedKv.find(self.kv, req)
            req.prefix_len, req.host_hit_length = found.device_prefix_len, found.host_hit_length
            req.last_node, req.best_match_node = found.last_device_node, found.best_match_node

    def ahead(self, now_us=0, reserved=0):
        req_of = lambda one: self.reqs[one.state.seq]  # noqa: E731
        self.tier.ahead(now_us, self.jobs, req_of, self.look_up, reserved)

    def on_device(self, req):
        self.look_up([req])
        return req.prefix_len


def native(world):
    return world.kv.keeper.free_tokens()


def test_a_sealed_prefix_is_loaded_into_sealed_pages_and_held():
    world = World()
    req = world.wait(world.cached(1, 8, BATCH), BATCH)
    before = native(world)
    world.ahead(reserved=before)  # every native page is spoken for: it needs none
    assert world.on_device(req) == 8 * PAGE_TOKENS
    assert native(world) == before
    assert world.tier.spare_tokens() == 0
    assert world.kv.evict(10**6) == 0
    world.kv.check()
    world.tier.let_go(req)
    world.kv.keeper.look([], None)
    assert world.kv.evict(10**6) == 8 * PAGE_TOKENS
    world.kv.check()


def test_a_native_prefix_leaves_room_for_new_tokens_and_counts_as_free():
    world = World()
    req = world.wait(world.cached(1, 8, INTERACTIVE), INTERACTIVE)
    before = native(world)
    world.ahead(reserved=before - 8 * PAGE_TOKENS + 1)
    assert world.on_device(req) == 0
    world.ahead(reserved=before - 8 * PAGE_TOKENS)
    assert world.on_device(req) == 8 * PAGE_TOKENS
    world.kv.poll()
    world.kv.keeper.look([], None)
    assert native(world) == before - 8 * PAGE_TOKENS
    assert native(world) + world.tier.spare_tokens() == before
    world.tier.make_way(before, [req])
    assert native(world) == before
    world.kv.check()


def test_who_finds_no_room_is_passed_by_who_does():
    world = World()
    sealed, plain = world.cached(1, 8, BATCH), world.cached(2, 4, INTERACTIVE)
    others = world.kv.allocator.take(Format.INT4, world.kv.allocator.pages.available(Format.INT4))
    world.kv.allocator.live_pages = {**world.kv.allocator.live_pages, Format.INT4: len(others)}
    first, second = world.wait(sealed, BATCH), world.wait(plain, INTERACTIVE)
    world.ahead()
    assert (world.on_device(first), world.on_device(second)) == (0, 4 * PAGE_TOKENS)
    world.kv.allocator.give_back(others)
    world.kv.check()


def test_the_link_is_learnt_and_paid_by_bytes():
    shape = World().kv.regions.shape
    sealed_bytes = shape.page_bytes(Format.INT8) + 15 * shape.page_bytes(Format.INT4)
    token_bytes = shape.token_bytes(Format.NATIVE)
    world = World(rate=sealed_bytes // 2)
    for seed in (1, 2, 3):
        world.wait(world.cached(seed, 16, BATCH), BATCH)
    world.ahead(now_us=0)
    assert world.tier.counts.prefetched == 16 * PAGE_TOKENS
    world.kv.poll()
    world.tier.begin_pass(1000, world.reqs.values())
    assert world.step_time.loads.us_per_token == pytest.approx(1000 / round(sealed_bytes / token_bytes))
    world.jobs[0].host_tokens = 0
    world.ahead(now_us=10_000)  # one such prefix is two seconds' budget
    assert world.tier.counts.prefetched == 16 * PAGE_TOKENS
    world.ahead(now_us=1_100_000)
    assert world.tier.counts.prefetched == 32 * PAGE_TOKENS
