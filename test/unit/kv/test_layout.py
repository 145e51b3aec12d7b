import pytest

from superinfer.kv import Format, KvShape
from superinfer.kv.layout import HeadLayout, groups, key_head, value_head

pytestmark = pytest.mark.unit

SMOLLM2 = KvShape(layers=30, heads=3, k_dim=64, v_dim=64)
LLAMA_70B = KvShape(layers=80, heads=8, k_dim=128, v_dim=128)


def test_a_head_is_parameters_bounds_and_payload():
    assert key_head(Format.INT4, 64) == HeadLayout(zeros=64, bounds=128, payload=144, size=144 + 32 * 64 // 2)
    assert value_head(Format.INT8, 80) == HeadLayout(zeros=96, bounds=192, payload=208, size=208 + 32 * 80)


@pytest.mark.parametrize("dim", [8, 40, 64, 80, 128])
def test_keys_and_values_of_one_dimension_take_the_same_bytes(dim):
    assert key_head(Format.INT4, dim).size == value_head(Format.INT4, dim).size


@pytest.mark.parametrize(("dim", "count"), [(8, 1), (32, 1), (40, 2), (64, 2), (80, 3)])
def test_the_last_group_may_be_smaller(dim, count):
    assert groups(dim) == count


def test_bytes_of_a_token():
    assert LLAMA_70B.token_bytes(Format.NATIVE) == 320 * 1024
    assert SMOLLM2.token_bytes(Format.NATIVE) == 23040
    assert SMOLLM2.token_bytes(Format.INT8) == 30 * 3 * 2 * (64 + 4 + 0.5)
    assert SMOLLM2.token_bytes(Format.INT4) == 30 * 3 * 2 * (32 + 4 + 0.5)


def test_float32_doubles_what_is_native_alone():
    wide = KvShape(layers=30, heads=3, k_dim=64, v_dim=64, native_bytes=4)
    assert wide.page_bytes(Format.NATIVE) == 2 * SMOLLM2.page_bytes(Format.NATIVE)
    assert wide.page_bytes(Format.INT4) == SMOLLM2.page_bytes(Format.INT4)


def test_tokens_per_gib_are_whole_pages():
    for fmt in Format:
        tokens = SMOLLM2.tokens_per_gib(fmt)
        assert tokens % 32 == 0
        assert tokens // 32 * SMOLLM2.page_bytes(fmt) <= 2**30 < (tokens // 32 + 1) * SMOLLM2.page_bytes(fmt)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "layers must be positive, not 0"),
        ({"k_dim": 12}, "k_dim and v_dim must be multiples of 8, not 12 and 64"),
        ({"native_bytes": 1}, "native_bytes must be 2 or 4, not 1"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        KvShape(**{"layers": 1, "heads": 1, "k_dim": 64, "v_dim": 64} | changes)
