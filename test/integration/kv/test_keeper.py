"""Sealing and sharing on SGLang's real tree: whatever happens, every page holds what its readers expect."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from superinfer.cache.learned import Learned
from superinfer.cache.rule import LRU
from superinfer.kv import Format, Shift
from superinfer.slo import SLO
from support.mixed_kv import MixedKv
from unit.cache.factory import predictor

pytestmark = pytest.mark.integration

CLASSES = st.sampled_from([SLO(cls="interactive"), SLO(cls="batch"), SLO(cls="batch", kv="int8")])
PROMPTS = st.builds(
    lambda pages, tail: [token for page in pages for token in [page] * 32] + [9] * tail,
    st.lists(st.integers(0, 2), max_size=5),
    st.integers(1, 40),
)


class Traffic(RuleBasedStateMachine):
    """Requests of several classes over few prompts, with less memory than they want."""

    @initialize(
        budget=st.sampled_from(["768k", "2m"]),
        regions=st.sampled_from(
            ["native:0.34,int8:0.33,int4:0.33", "native:0.5,int4:0.5", "native:0.5,int8:0.5", "auto"]
        ),
        late=st.booleans(),
        rule=st.sampled_from([None, LRU, lambda: Learned(predictor())]),
    )
    def start(self, budget, regions, late, rule):
        self.kv = MixedKv(budget, regions, late=late, rule=rule)

    @rule(tokens=PROMPTS, slo=CLASSES)
    def arrive(self, tokens, slo):
        if len(self.kv.running) < 6:
            self.kv.admit(self.kv.arrive(tokens, slo))

    @precondition(lambda self: self.kv.running)
    @rule(data=st.data(), tokens=st.lists(st.integers(0, 1), min_size=1, max_size=40))
    def decode(self, data, tokens):
        req = data.draw(st.sampled_from(self.kv.running))
        for token in tokens:
            if not self.kv.decode(req, token):
                break

    @precondition(lambda self: self.kv.running)
    @rule(data=st.data(), checkpoint=st.booleans())
    def leave(self, data, checkpoint):
        self.kv.leave(data.draw(st.sampled_from(self.kv.running)), checkpoint=checkpoint)

    @rule(prompts=st.lists(st.tuples(PROMPTS, CLASSES), max_size=4), seconds=st.sampled_from([0.05, 3.0, 50.0]))
    def wait(self, prompts, seconds):
        waiting = [self.kv.arrive(*prompt) for prompt in prompts]
        self.kv.now_s += seconds
        self.kv.begin_pass(waiting, int(seconds * 1e6))

    @precondition(lambda self: self.kv.keeper.boundaries)
    @rule(data=st.data())
    def recut(self, data):
        """To anywhere: whatever the balancer may ever want."""
        slabs, reserve = self.kv.regions.slabs, self.kv.allocator.native_slabs
        first = data.draw(st.integers(reserve, slabs))
        cut = (first, data.draw(st.integers(first, slabs)))
        shift = Shift(Format.NATIVE, Format.INT4, 0, "queue", (cut,))
        self.kv.keeper.boundaries.carry_out(self.kv.now_us, shift, self.kv.running)

    @rule(fmt=st.sampled_from(Format), pages=st.integers(1, 20))
    def need_room(self, fmt, pages):
        self.kv.allocator.make_room(fmt, pages)

    @invariant()
    def all_is_well(self):
        if hasattr(self, "kv"):
            self.kv.check()
            bound = self.kv.allocator.evictable_native_tokens(self.kv.tree)
            assert bound <= self.kv.tree.evictable_size()


Traffic.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTraffic = Traffic.TestCase


def test_a_page_is_sealed_when_the_next_one_begins():
    kv = MixedKv("2m", "native:0.4,int8:0.2,int4:0.4")
    req = kv.arrive([1] * 30, SLO(cls="batch"))
    assert kv.admit(req)
    for token in range(2):
        kv.decode(req, token)
    assert kv.formats(req) == [Format.NATIVE]
    kv.decode(req, 2)
    assert kv.formats(req) == [Format.INT8, Format.NATIVE]
    for token in range(64):
        kv.decode(req, token)
    assert kv.formats(req) == [Format.INT8, Format.INT4, Format.INT4, Format.NATIVE]
    kv.check()


def test_without_room_pages_stay_finer_and_are_compressed_once_there_is_some():
    kv = MixedKv("768k", "native:0.34,int8:0.33,int4:0.33")
    int4 = kv.allocator.pages.available(Format.INT4)
    kv.allocator.take(Format.INT4, int4)  # somebody else has them all
    kv.allocator.take(Format.INT8, kv.allocator.pages.available(Format.INT8))
    req = kv.arrive([7] * 200, SLO(cls="batch"))
    assert kv.admit(req)
    assert set(kv.formats(req)) == {Format.NATIVE}
    assert kv.keeper.books.spilled > 0
    kv.leave(req, checkpoint=True)
    first = kv.regions.slot(Format.INT4, kv.regions.pages(Format.INT4)[0])
    kv.allocator.give_back([first])
    native = kv.allocator.pages.available(Format.NATIVE)
    kv.allocator.make_room(Format.NATIVE, native + 1)
    assert kv.allocator.pages.available(Format.NATIVE) == native + 1
    assert kv.keeper.books.compressed[Format.NATIVE, Format.INT4] == 1


def test_making_room_evicts_prefixes_of_the_format_that_is_short():
    kv = MixedKv("2m", "native:0.4,int8:0.2,int4:0.4")
    for token, cls in ((1, "interactive"), (2, "batch"), (3, "interactive")):
        req = kv.arrive([token] * 128, SLO(cls=cls))
        kv.admit(req)
        kv.leave(req, checkpoint=True)
    int4 = kv.allocator.pages.used(Format.INT4)
    assert int4 == 3
    kv.allocator.make_room(Format.NATIVE, kv.allocator.pages.available(Format.NATIVE) + 1)
    assert kv.allocator.pages.used(Format.INT4) == int4
    assert kv.allocator.pages.used(Format.NATIVE) == 4
    kv.check()
