from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.kv import Format
from superinfer.slo import SLO
from superinfer.srt.kv.classes import floor_of_key, mark

pytestmark = pytest.mark.unit

KEYS = st.none() | st.text(max_size=20) | st.sampled_from(["|kv:int4", "a|kv:int8", "|kv:", "|kv:native"])
FLOORS = st.sampled_from([None, "auto", *(fmt.label for fmt in Format)])


def marked(key, cls, kv):
    req = SimpleNamespace(extra_key=key)
    mark(req, SLO(cls=cls, kv=kv))
    return req


@pytest.mark.parametrize(
    ("cls", "kv", "floor"),
    [
        ("interactive", None, Format.NATIVE),
        ("standard", None, Format.NATIVE),
        ("batch", None, Format.INT4),
        ("batch", "native", Format.NATIVE),
        ("batch", "auto", Format.INT4),
        ("interactive", "int8", Format.INT8),
        ("own", None, Format.NATIVE),
    ],
)
def test_class_and_wish_make_the_floor(cls, kv, floor):
    assert marked(None, cls, kv).kv_floor is floor


@given(KEYS, KEYS, FLOORS, FLOORS)
def test_prefixes_are_shared_by_those_of_the_same_key_and_floor_only(one_key, other_key, one_kv, other_kv):
    one, other = marked(one_key, "standard", one_kv), marked(other_key, "standard", other_kv)
    alike = (one_key or "", one.kv_floor) == (other_key or "", other.kv_floor)
    assert (one.extra_key == other.extra_key) == alike
    assert floor_of_key(one.extra_key) is one.kv_floor


def test_a_key_without_a_mark_means_native():
    assert floor_of_key(None) is floor_of_key("a|kv:other") is floor_of_key("int4") is Format.NATIVE
