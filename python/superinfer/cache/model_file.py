"""The predictor as a file: safetensors, whose header says which program it is for."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from superinfer.cache.errors import ModelFileError
from superinfer.cache.predictor import Predictor

FORMAT = "superinfer-reuse"
VERSION = "1"
"""Of the features and the network. Arrays that mean something else need another."""

DEFAULT = Path(__file__).with_name("default.safetensors")
"""Serves until a server has logs of its own to learn from."""


def save(predictor: Predictor, path: Path, trained_on: str) -> None:
    """Write a predictor, and what it was trained on, for people."""
    header = {"format": FORMAT, "version": VERSION, "trained_on": trained_on}
    save_file(predictor.arrays, path, metadata=header)


def load(path: Path = DEFAULT) -> Predictor:
    """Read a predictor.

    Raises:
        ModelFileError: The file cannot be read, is not a predictor, is of another version, or its numbers cannot be
            used; says which.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            _check(path, file.metadata() or {})
            names = file.keys()
            return Predictor({name: file.get_tensor(name) for name in names})
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelFileError(f"{path}: {error}") from error


def _check(path: Path, header: dict[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise ModelFileError(f"{path}: not a predictor of reuse, its header says format {header.get('format')!r}")
    if header.get("version") != VERSION:
        raise ModelFileError(
            f"{path}: version {header.get('version')!r}, and this program reads {VERSION!r}; train again"
        )
