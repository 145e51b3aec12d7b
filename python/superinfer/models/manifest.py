"""The record beside the converted weights: what they are, where from, and whether all files are there."""

from pathlib import Path

import msgspec

from superinfer.models.package import PackagedModel

MANIFEST_FILE = "superinfer-manifest.json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Source, licence and content of one converted model directory."""

    model: PackagedModel
    files: dict[str, int]
    """Size in bytes of each file, by name."""


def write_manifest(directory: Path, model: PackagedModel) -> None:
    """Describe a finished directory; the manifest is the last file written."""
    files = {path.name: path.stat().st_size for path in sorted(directory.iterdir())}
    encoded = msgspec.json.encode(Manifest(model=model, files=files))
    (directory / MANIFEST_FILE).write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")


def is_complete(directory: Path, model: PackagedModel) -> bool:
    """Whether ``directory`` holds exactly ``model``, converted by this converter, with no file cut short."""
    try:
        content = (directory / MANIFEST_FILE).read_bytes()
        manifest = msgspec.json.decode(content, type=Manifest)
        sizes = {name: (directory / name).stat().st_size for name in manifest.files}
    except (OSError, msgspec.DecodeError):
        return False
    identity = (manifest.model.gguf_sha256, manifest.model.converter_version)
    return identity == (model.gguf_sha256, model.converter_version) and sizes == manifest.files
