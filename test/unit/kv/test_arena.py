"""Pages of all formats in one memory: every byte is somebody's or free, and what is held stays as it was written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from superinfer.kv import Format, KvShape, OutOfPages
from superinfer.kv.arena import FREE, PageArena

pytestmark = pytest.mark.unit

SHAPE = KvShape(layers=2, heads=1, k_dim=64, v_dim=40)
SHAPES = st.builds(
    KvShape,
    layers=st.integers(1, 3),
    heads=st.integers(1, 5),
    k_dim=st.sampled_from([8, 16, 40, 64, 128]),
    v_dim=st.sampled_from([8, 24, 64, 128]),
    native_bytes=st.sampled_from([2, 4]),
)
FORMATS = st.sampled_from(Format)


class Machine(RuleBasedStateMachine):
    """The model: what was written into each page, unit by unit."""

    @initialize(pages=st.integers(1, 6), more=st.integers(0, 4000))
    def start(self, pages, more):
        self.budget = pages * SHAPE.page_bytes(Format.NATIVE) + more
        self.arena = PageArena(SHAPE, self.budget)
        self.memory = [None] * self.arena.units
        self.held = {}

    def write(self, number, fmt):
        content = [object() for _ in range(self.arena.page_units(fmt))]
        for unit, what in zip(self.arena.units_of([number]), content, strict=True):
            self.memory[unit] = what
        self.held[number] = (fmt, content)

    @rule(formats=st.lists(FORMATS, max_size=8))
    def allocate(self, formats):
        bytes_free = self.arena.bytes(self.arena.free_units)
        if sum(map(SHAPE.page_bytes, formats)) > bytes_free:
            with pytest.raises(OutOfPages):
                self.arena.allocate(formats)
            return
        numbers = self.arena.allocate(formats)
        assert len(set(numbers)) == len(numbers)
        assert not set(numbers) & self.held.keys()
        for number, fmt in zip(numbers, formats, strict=True):
            self.write(number, fmt)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data):
        numbers = data.draw(st.sets(st.sampled_from(sorted(self.held)), min_size=1))
        self.arena.release(sorted(numbers))
        for number in numbers:
            del self.held[number]
            with pytest.raises(KeyError, match=f"page {number} is free"):
                self.arena.release([number])

    @precondition(lambda self: self.held)
    @rule(data=st.data(), fmt=FORMATS)
    def coarsen(self, data, fmt):
        number = data.draw(st.sampled_from(sorted(self.held)))
        now = self.held[number][0]
        if fmt in now.coarser:
            self.arena.coarsen(number, fmt)
            self.write(number, fmt)
        else:
            with pytest.raises(ValueError, match="not coarser"):
                self.arena.coarsen(number, fmt)

    @invariant()
    def all_is_well(self):
        if not hasattr(self, "arena"):
            return
        self.arena.check_integrity()
        assert self.arena.used_bytes == sum(SHAPE.page_bytes(fmt) for fmt, _ in self.held.values())
        assert self.arena.used_bytes + self.arena.bytes(self.arena.free_units) <= self.budget
        for fmt in Format:
            assert self.arena.pages(fmt) == sum(kind is fmt for kind, _ in self.held.values())
        for number, (fmt, content) in self.held.items():
            assert [self.memory[unit] for unit in self.arena.units_of([number])] == content
            assert self.arena.formats([number]) == [fmt]


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestMachine = Machine.TestCase


@given(SHAPES, st.integers(1, 3))
def test_pages_take_their_bytes_and_no_more(shape, pages):
    arena = PageArena(shape, pages * shape.page_bytes(Format.NATIVE))
    for fmt in Format:
        assert arena.bytes(arena.page_units(fmt)) == shape.page_bytes(fmt)
    assert arena.units == pages * arena.page_units(Format.NATIVE)
    arena.allocate([Format.NATIVE] * pages)
    assert arena.free_units == 0


def test_any_units_will_do():
    arena = PageArena(SHAPE, 4 * SHAPE.page_bytes(Format.NATIVE))
    small = arena.allocate([Format.INT4] * arena.max_pages)
    arena.release(small[::2])
    fits = arena.free_units // arena.page_units(Format.NATIVE)
    assert fits >= 1
    assert len(arena.allocate([Format.NATIVE] * fits)) == fits


def test_more_than_there_is_changes_nothing():
    arena = PageArena(SHAPE, 2 * SHAPE.page_bytes(Format.NATIVE))
    with pytest.raises(OutOfPages, match="3 pages take"):
        arena.allocate([Format.NATIVE] * 3)
    assert arena.used_bytes == 0
    arena.check_integrity()


def test_who_holds_no_native_page_is_refused():
    with pytest.raises(ValueError, match="1000 bytes hold no native page"):
        PageArena(SHAPE, 1000)


def test_what_is_not_held_has_no_format_and_no_place():
    arena = PageArena(SHAPE, 2 * SHAPE.page_bytes(Format.NATIVE))
    assert arena.formats([0]) == [FREE]
    with pytest.raises(KeyError, match="page 0 is free"):
        arena.units_of([0])
