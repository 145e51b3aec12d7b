import numpy as np
import pytest
from safetensors.numpy import save_file

from superinfer.cache.errors import ModelFileError
from superinfer.cache.model_file import DEFAULT, FORMAT, VERSION, load, save
from unit.cache.factory import predictor

pytestmark = pytest.mark.unit

HEADER = {"format": FORMAT, "version": VERSION}


def test_what_is_saved_is_loaded(tmp_path):
    path, saved = tmp_path / "reuse.safetensors", predictor()
    save(saved, path, "nothing")
    loaded = load(path)
    assert all((loaded.arrays[name] == array).all() for name, array in saved.arrays.items())


def test_the_default_is_small_and_in_the_package():
    assert DEFAULT.stat().st_size < 60_000
    assert load().parameters < 10_000


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"none\.safetensors"):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95pickle"])
def test_a_corrupt_file(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"bad\.safetensors: "):
        load(path)


def test_a_file_that_was_cut_off(tmp_path):
    path = tmp_path / "cut.safetensors"
    save(predictor(), path, "nothing")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelFileError, match=r"cut\.safetensors"):
        load(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": "other", "version": VERSION}, "its header says format 'other'"),
        ({"format": FORMAT, "version": "0"}, "version '0', and this program reads '1'; train again"),
        (None, "its header says format None"),
    ],
)
def test_another_header(tmp_path, header, message):
    path = tmp_path / "other.safetensors"
    save_file(predictor().arrays, path, metadata=header)
    with pytest.raises(ModelFileError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": np.zeros((2, 2), np.float32)}, r"array 'query' is float32 \(2, 2\), not float32 \(2, 16, 16\)"),
        ({"out_bias": np.full((2, 4), np.nan, np.float32)}, "array 'out_bias' holds numbers that are not finite"),
        ({"edges_s": np.array([4, 3, 2, 1], np.float32)}, "edges_s that rise"),
        ({"value": None}, "needs the array 'value'"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, change, message):
    path = tmp_path / "odd.safetensors"
    arrays = {name: array for name, array in (predictor().arrays | change).items() if array is not None}
    save_file(arrays, path, metadata=HEADER)
    with pytest.raises(ModelFileError, match=message):
        load(path)
