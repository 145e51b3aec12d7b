import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.kv import (
    PAGE_TOKENS,
    Format,
    KvShape,
    Regions,
    check_native_region,
    native_pages_needed,
    parse_bytes,
    parse_regions,
    size_regions,
)

pytestmark = pytest.mark.unit

SHAPE = KvShape(layers=2, heads=3, k_dim=64, v_dim=80)


@pytest.mark.parametrize(
    ("text", "size"),
    [("123", 123), ("2k", 2048), ("1.5g", 3 * 2**29), ("1 GiB", 2**30), ("64MB", 2**26), ("512b", 512)],
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1", "1x", "1e3"])
def test_no_sizes(text):
    with pytest.raises(ValueError, match=r"kv_budget: .* is not a size such as"):
        parse_bytes(text)


def test_shares():
    assert parse_regions("native:0.3, int4:0.7") == {Format.NATIVE: 0.3, Format.INT8: 0.0, Format.INT4: 0.7}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("native", "kv_regions: 'native' must be FORMAT:SHARE"),
        ("fp8:1", "kv_regions: 'fp8' is not one of native, int8, int4"),
        ("native:0.5,native:0.5", "kv_regions: native is named twice"),
        ("native:x", "kv_regions: the share of native must be from 0 to 1, not 'x'"),
        ("native:1.5", "kv_regions: the share of native must be from 0 to 1, not '1.5'"),
        ("native:nan,int4:1", "kv_regions: the share of native"),
        ("native:0.5,int4:0.4", "kv_regions: the shares add up to 0.9, not to 1"),
        ("int4:1", "kv_regions: native must have a share"),
    ],
)
def test_wrong_shares_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_regions(text)


def test_a_budget_that_is_too_small_is_named():
    with pytest.raises(ValueError, match="kv_budget: 1000 bytes are 0 slabs of"):
        size_regions(SHAPE, 1000, parse_regions("native:1"))


@given(
    shares=st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50)),
    slabs=st.integers(3, 400),
    slab_pages=st.integers(1, 40),
    extra=st.floats(0, 0.99),
)
def test_the_whole_budget_is_cut_as_the_shares_say(shares, slabs, slab_pages, extra):
    slab_bytes = slab_pages * SHAPE.page_bytes(Format.NATIVE)
    total = sum(shares)
    wanted = {fmt: part / total for fmt, part in zip(Format, shares, strict=True)}
    regions = size_regions(SHAPE, int((slabs + extra) * slab_bytes), wanted, slab_pages)
    assert regions.slabs == slabs
    for fmt in Format:
        got = len(regions.region_slabs(fmt))
        assert abs(got - wanted[fmt] * slabs) <= 3
        assert (got == 0) == (wanted[fmt] == 0)


@pytest.mark.parametrize(("step", "pages"), [(1, 3), (32, 3), (33, 4), (512, 18)])
def test_a_step_needs_its_own_pages_and_two_open_ones(step, pages):
    assert native_pages_needed(step) == pages


def test_a_cut_is_refused_whose_native_region_has_a_page_less():
    regions = Regions(KvShape(layers=2, heads=2, k_dim=16, v_dim=16), 5, (3, 4), slab_pages=4)
    there = regions.tokens(Format.NATIVE) // PAGE_TOKENS
    most = (there - 2) * PAGE_TOKENS
    check_native_region(regions, most)
    with pytest.raises(ValueError, match=f"regions: .* has {there} pages .* a step of {most + 1} .* needs {there + 1}"):
        check_native_region(regions, most + 1)
