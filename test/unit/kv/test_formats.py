import pytest

from superinfer.kv import CLASS_FLOORS, Format, accepts, floor_of, page_format, parse_format
from superinfer.kv.formats import SEALED
from superinfer.slo import PRESETS
from superinfer.slo.fields import KV_FORMATS

pytestmark = pytest.mark.unit


def test_names_are_those_that_requests_may_send():
    assert {fmt.label for fmt in Format} | {"auto"} == set(KV_FORMATS)


def test_floors_are_those_of_the_preset_classes():
    assert {name: fmt.label for name, fmt in CLASS_FLOORS.items()} == {item.name: item.targets.kv for item in PRESETS}


def test_formats_go_downwards_only():
    assert Format.NATIVE.coarser == SEALED == (Format.INT8, Format.INT4)
    assert Format.INT4.coarser == ()


def test_bits():
    assert [fmt.bits for fmt in SEALED] == [8, 4]
    with pytest.raises(ValueError, match="width of the cache's dtype"):
        _ = Format.NATIVE.bits


@pytest.mark.parametrize(
    ("floor", "stored"), [("native", "native"), ("int8", "native int8"), ("int4", "native int8 int4")]
)
def test_a_floor_accepts_what_is_not_coarser(floor, stored):
    assert [fmt.label for fmt in Format if accepts(parse_format("x", floor), fmt)] == stored.split()


@pytest.mark.parametrize(
    ("slo_class", "kv", "floor"),
    [
        ("interactive", None, Format.NATIVE),
        ("batch", "auto", Format.INT4),
        ("batch", "native", Format.NATIVE),
        ("interactive", "int8", Format.INT8),
        ("gold", None, Format.NATIVE),
    ],
)
def test_the_requests_own_floor_wins_over_its_class(slo_class, kv, floor):
    assert floor_of(slo_class, kv) is floor


def test_the_first_page_of_a_request_is_never_int4():
    assert [page_format(floor, 0) for floor in Format] == [Format.NATIVE, Format.INT8, Format.INT8]
    assert [page_format(floor, 1) for floor in Format] == list(Format)


def test_an_unknown_format_is_named():
    with pytest.raises(ValueError, match=r"slo\.kv: 'int2' is not one of native, int8, int4"):
        floor_of("batch", "int2")
