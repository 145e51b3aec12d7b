"""Where an environment lives, whether it is complete, and who may change it now."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment.commands import ROOT
from environment.errors import SetupError

RECORD_NAME = "superinfer-setup.json"


def cache_dir() -> Path:
    """Return the folder of the environments and their locks, creating it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "superinfer" / "venvs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def short_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def key_for(route: str) -> str:
    """Return the hash of all that defines the environment, superinfer's own code excepted."""
    project = pyproject()
    defining = [
        route,
        platform.machine(),
        sys.version,
        os.path.realpath(sys.executable),
        json.dumps([project["project"]["dependencies"], project["dependency-groups"]["dev"]]),
    ]
    patterns = ["scripts/*.py", "scripts/environment/*.py"]
    if route == "lean":
        patterns += ["requirements/*.txt", "scripts/cpu_env/*.*"]
    contents = [source.read_bytes() for pattern in patterns for source in sorted(ROOT.glob(pattern))]
    return short_hash(b"\0".join([*(text.encode() for text in defining), *contents]))


@dataclass(frozen=True)
class Store:
    """One environment: the route that makes it, the key of its contents and its folder."""

    route: str
    key: str
    path: Path

    @classmethod
    def for_route(cls, route: str, path: Path | None) -> Store:
        """Place the environment of ``route`` in ``path``, or in the user's cache when that is None."""
        key = key_for(route)
        return cls(route, key, path.absolute() if path else cache_dir() / f"{route}-{key}")

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def record(self) -> dict[str, str]:
        """Return what earlier set-ups noted, empty if there was none."""
        try:
            record: dict[str, str] = json.loads((self.path / RECORD_NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record

    def note(self, **facts: str) -> None:
        """Add facts to the record, all or none of them."""
        draft = self.path / f"{RECORD_NAME}.new"
        draft.write_text(json.dumps({**self.record(), **facts}, indent=2), encoding="utf-8")
        draft.replace(self.path / RECORD_NAME)

    def is_complete(self) -> bool:
        return self.record().get("complete") == self.key and self.python.exists()

    def start_afresh(self) -> None:
        """Leave an empty folder that is marked as ours.

        Raises:
            SetupError: The folder holds something that no set-up has put there.
        """
        is_ours = self.path.parent == cache_dir() or (self.path / RECORD_NAME).exists()
        if self.path.exists() and any(self.path.iterdir()) and not is_ours:
            raise SetupError(f"{self.path} is not empty and not made by this script: remove it or name another")
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self.note(route=self.route)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other set-ups on this machine out of the folder."""
        lock = cache_dir() / f"{short_hash(bytes(self.path))}.lock"
        with lock.open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"setup: waiting for another set-up of {self.path}", flush=True)
                fcntl.flock(held, fcntl.LOCK_EX)
            yield
