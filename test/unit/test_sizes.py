import pytest

from superinfer.sizes import parse_bytes

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("2g", 2 << 30),
        ("512M", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("3kb", 3072),
        ("1T", 1 << 40),
    ],
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "g", "2x", "-1", -1, "1.g", "2 g b", "inf"])
def test_bad_sizes(text):
    with pytest.raises(ValueError, match='such as "512m"'):
        parse_bytes(text)
