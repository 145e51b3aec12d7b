"""superinfer itself in an environment, and the environment in the checkout."""

from __future__ import annotations

import os

from environment.commands import ROOT, Command, run
from environment.errors import SetupError
from environment.pip_settings import uv_variables
from environment.store import Store, short_hash


def install_superinfer(store: Store) -> None:
    """Install this checkout editable, unless the environment has it already as pyproject.toml has it."""
    facts = {"checkout": str(ROOT), "project": short_hash((ROOT / "pyproject.toml").read_bytes())}
    if facts.items() <= store.record().items():
        return
    if store.route == "lean":
        installer: Command = [store.path / "bin" / "uv", "pip", "install", "--python", store.python]
        variables = uv_variables(store.python)
    else:
        installer, variables = [store.python, "-m", "pip", "install", "-qq"], {}
    run("installing superinfer from this checkout", [*installer, "--no-deps", "--editable", ROOT], variables)
    store.note(**facts)


def link_checkout(store: Store) -> None:
    """Make `.venv` in the checkout point to the environment.

    Raises:
        SetupError: `.venv` is a folder of the user's own.
    """
    link = ROOT / ".venv"
    if link == store.path or (link.is_symlink() and link.readlink() == store.path):
        return
    if link.exists() and not link.is_symlink():
        raise SetupError(f"{link} is a folder, not a link: move it away, or build there with `--venv {link}`")
    draft = ROOT / f".venv.{os.getpid()}"
    draft.symlink_to(store.path, target_is_directory=True)
    draft.replace(link)
