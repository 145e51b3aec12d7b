from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.kv import PAGE_TOKENS, Format, KvShape, Regions

pytestmark = pytest.mark.unit

SHAPES = st.builds(
    KvShape,
    layers=st.integers(1, 3),
    heads=st.integers(1, 4),
    k_dim=st.sampled_from([8, 40, 64, 128]),
    v_dim=st.sampled_from([8, 64, 80]),
    native_bytes=st.sampled_from([2, 4]),
)


@st.composite
def cut(draw):
    slabs = draw(st.integers(1, 30))
    first = draw(st.integers(1, slabs))
    return Regions(draw(SHAPES), slabs, (first, draw(st.integers(first, slabs))), draw(st.integers(1, 9)))


def intervals(regions, page_bytes):
    return [
        (number * page_bytes(fmt), (number + 1) * page_bytes(fmt)) for fmt in Format for number in regions.pages(fmt)
    ]


@given(regions=cut())
def test_pages_of_all_regions_lie_apart_and_inside_the_memory(regions):
    shape = regions.shape
    for page_bytes in (shape.key_page_bytes, shape.value_page_bytes):
        spans = sorted(intervals(regions, page_bytes))
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        assert spans[-1][1] <= regions.slabs * regions.slab_pages * page_bytes(Format.NATIVE)


@given(regions=cut())
def test_every_byte_is_a_page_or_slack(regions):
    pages = sum(len(regions.pages(fmt)) * regions.shape.page_bytes(fmt) for fmt in Format)
    assert pages + sum(regions.slack_bytes(fmt) for fmt in Format) == regions.bytes
    assert all(regions.slack_bytes(fmt) >= 0 for fmt in Format)


@given(regions=cut())
def test_a_slot_tells_its_format_and_no_two_pages_share_one(regions):
    seen = set()
    for fmt in Format:
        assert all(number < regions.capacity(fmt) for number in regions.pages(fmt))
        for number in regions.pages(fmt):
            slot = regions.slot(fmt, number)
            assert slot % PAGE_TOKENS == 0
            assert slot not in seen
            assert regions.format(slot) is regions.format(slot + PAGE_TOKENS - 1) is fmt
            seen.add(slot)


def test_moving_a_boundary_changes_no_number():
    shape = KvShape(layers=1, heads=2, k_dim=64, v_dim=64)
    before = Regions(shape, 10, (4, 7))
    after = before.moved((2, 9))
    assert [before.base(fmt) for fmt in Format] == [after.base(fmt) for fmt in Format]
    assert before.pages(Format.NATIVE) == range(64)
    assert after.pages(Format.NATIVE) == range(32)
    assert after.tokens(Format.NATIVE) == 31 * 32


@pytest.mark.parametrize("boundaries", [(0, 3), (3, 2), (2, 11)])
def test_boundaries_rise(boundaries):
    with pytest.raises(ValueError, match="boundaries must rise from 1 to 10 slabs"):
        Regions(KvShape(layers=1, heads=1, k_dim=64, v_dim=64), 10, boundaries)


def test_a_slot_outside_is_an_error():
    regions = Regions(KvShape(layers=1, heads=1, k_dim=64, v_dim=64), 3, (1, 2))
    with pytest.raises(ValueError, match="slot -1 is outside the KV cache"):
        regions.format(-1)
    with pytest.raises(ValueError, match="is outside the KV cache"):
        regions.format(10**6)
