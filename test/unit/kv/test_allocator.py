"""Who holds which page, against a model that knows every byte."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from superinfer.kv import Format, KvShape, OutOfPages, Page, RegionAllocator, Regions

pytestmark = pytest.mark.unit

SHAPE = KvShape(layers=2, heads=1, k_dim=64, v_dim=40)


class Machine(RuleBasedStateMachine):
    """The model: which holder wrote what into which page, and the bytes of each."""

    @initialize(slabs=st.integers(3, 8), data=st.data())
    def start(self, slabs, data):
        first = data.draw(st.integers(1, slabs))
        second = data.draw(st.integers(first, slabs))
        self.allocator = RegionAllocator(Regions(SHAPE, slabs, (first, second), slab_pages=3))
        self.holders: dict[int, list[Page]] = {}
        self.content: dict[Page, object] = {}
        self.next_holder = 0

    def held(self):
        return sorted(set(self.content))

    def apply(self, moves):
        """All sources are read before any target is written: order must not matter."""
        read = {move.target: self.content.pop(move.source) for move in moves}
        assert not read.keys() & self.content.keys()
        self.content |= read
        renamed = {move.source: move.target for move in moves}
        for pages in self.holders.values():
            pages[:] = [renamed.get(page, page) for page in pages]

    @rule(fmt=st.sampled_from(Format), count=st.integers(0, 9))
    def allocate(self, fmt, count):
        free = self.allocator.available(fmt)
        if count > free:
            with pytest.raises(OutOfPages, match=f"{count} pages of {fmt.label} wanted, {free} are free"):
                self.allocator.allocate(fmt, count)
            return
        pages = self.allocator.allocate(fmt, count)
        assert len(set(pages)) == count
        assert not set(pages) & self.content.keys()
        assert Page(Format.NATIVE, 0) not in pages
        self.holders[self.next_holder] = pages
        self.next_holder += 1
        self.content |= {page: object() for page in pages}

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def share(self, data):
        pages = list(self.holders[data.draw(st.sampled_from(sorted(self.holders)))])
        self.allocator.share(pages)
        self.holders[self.next_holder] = pages
        self.next_holder += 1

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def free(self, data):
        pages = self.holders.pop(data.draw(st.sampled_from(sorted(self.holders))))
        self.allocator.release(pages)
        still = {page for others in self.holders.values() for page in others}
        self.content = {page: what for page, what in self.content.items() if page in still}

    @precondition(lambda self: self.content)
    @rule(data=st.data())
    def fork(self, data):
        holder = data.draw(st.sampled_from(sorted(h for h, pages in self.holders.items() if pages)))
        index = data.draw(st.integers(0, len(self.holders[holder]) - 1))
        page = self.holders[holder][index]
        if not self.allocator.available(page.format):
            with pytest.raises(OutOfPages):
                self.allocator.fork(page)
            return
        move = self.allocator.fork(page)
        self.content[move.target] = self.content[page]
        self.holders[holder][index] = move.target
        if not any(page in pages for pages in self.holders.values()):
            del self.content[page]

    @precondition(lambda self: self.content)
    @rule(data=st.data(), fmt=st.sampled_from(Format))
    def demote(self, data, fmt):
        page = data.draw(st.sampled_from(self.held()))
        if fmt not in page.format.coarser:
            with pytest.raises(ValueError, match="not coarser"):
                self.allocator.demote(page, fmt)
        elif not self.allocator.available(fmt):
            with pytest.raises(OutOfPages):
                self.allocator.demote(page, fmt)
        else:
            self.apply([self.allocator.demote(page, fmt)])

    @rule(data=st.data())
    def rebalance(self, data):
        before = self.allocator.regions
        first = data.draw(st.integers(1, before.slabs))
        boundaries = (first, data.draw(st.integers(first, before.slabs)))
        try:
            moves = self.allocator.rebalance(boundaries)
        except OutOfPages:
            assert self.allocator.regions == before
            assert boundaries != before.boundaries
            return
        assert self.allocator.regions.boundaries == boundaries
        self.apply(moves)

    @invariant()
    def every_byte_is_accounted_for(self):
        allocator, regions = self.allocator, self.allocator.regions
        first_page = SHAPE.page_bytes(Format.NATIVE)
        free = sum(allocator.available(fmt) * SHAPE.page_bytes(fmt) for fmt in Format)
        used = sum(allocator.used_bytes(fmt) for fmt in Format)
        assert used == sum(SHAPE.page_bytes(page.format) for page in self.content)
        assert first_page + free + used + sum(regions.slack_bytes(fmt) for fmt in Format) == regions.bytes

    @invariant()
    def references_are_the_holders(self):
        for page in self.content:
            holders = sum(pages.count(page) for pages in self.holders.values())
            assert self.allocator.references(page) == holders > 0

    @invariant()
    def nobody_lives_outside_a_region(self):
        assert all(page.number in self.allocator.regions.pages(page.format) for page in self.content)


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAllocator = Machine.TestCase


def test_a_free_page_cannot_be_used():
    allocator = RegionAllocator(Regions(SHAPE, 3, (1, 2)))
    page = Page(Format.INT8, 5)
    for use in (lambda: allocator.share([page]), lambda: allocator.release([page]), lambda: allocator.fork(page)):
        with pytest.raises(KeyError, match="page 5 of int8 is free"):
            use()


def test_a_region_that_must_give_way_needs_room_for_what_lives_in_it():
    allocator = RegionAllocator(Regions(SHAPE, 3, (2, 2), slab_pages=4))
    allocator.allocate(Format.NATIVE, 5)
    with pytest.raises(OutOfPages, match="2 pages of native would have to move, and 0 of those that stay are free"):
        allocator.rebalance((1, 2))
