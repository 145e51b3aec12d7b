"""A model small enough to zip in memory, and wheels that hold it."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from superinfer.models import PackagedModel

GGUF_BYTES = bytes(range(256)) * 4096  # 1 MB: more than one read of a socket


def write_wheel(path: Path, gguf: bytes = GGUF_BYTES) -> Path:
    """Write a wheel that pip accepts, with ``gguf`` inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_model/tiny.gguf", gguf)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return write_wheel(tmp_path / "given" / "tiny_model-1.0-py3-none-any.whl")


@pytest.fixture
def model(wheel: Path) -> PackagedModel:
    return PackagedModel(
        name="tiny",
        origin="nobody/tiny",
        licence="Apache-2.0",
        notice="Made up for a test.",
        requirement="tiny-model==1.0",
        wheel=wheel.name,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        gguf="tiny_model/tiny.gguf",
        gguf_sha256=hashlib.sha256(GGUF_BYTES).hexdigest(),
    )
