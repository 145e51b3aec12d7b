"""Running the commands of a set-up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from environment.errors import SetupError

ROOT = Path(__file__).resolve().parents[2]

Command = list[str | Path]


def run(step: str, command: Command, extra_env: Mapping[str, str] | None = None) -> None:
    """Run a command in the checkout with its output shown.

    Raises:
        SetupError: The command could not start, or ended with an exit code other than 0.
    """
    print(f"setup: {step}", flush=True)
    try:
        finished = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(extra_env or {})}, stdin=subprocess.DEVNULL, check=False
        )
    except OSError as error:
        raise SetupError(f"{step}: cannot run {command[0]}: {error.strerror}") from error
    if finished.returncode != 0:
        raise SetupError(f"{step}: {Path(command[0]).name} ended with exit code {finished.returncode}, see above")


def ask(
    command: Command,
    extra_env: Mapping[str, str],
    *,
    question: str = "",
    timeout_s: float = 30.0,
) -> str | None:
    """Return what a command answers to ``question`` on its standard input, None if it fails or hangs."""
    try:
        finished = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **extra_env},
            input=question,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout.strip()
