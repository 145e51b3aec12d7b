"""The ways to a working environment."""

from __future__ import annotations

import importlib.util
import shutil
import sys

from environment.commands import ROOT, Command, run
from environment.errors import SetupError
from environment.pip_settings import uv_variables
from environment.store import Store, pyproject
from environment.torch_source import find_torch

ROUTES = ("lean", "full")
PINNED = ROOT / "requirements" / "cpu.txt"
PINNED_DEV = ROOT / "requirements" / "dev.txt"
PROOF = "import torch, torchvision, sglang.srt.managers.scheduler, sglang.srt.entrypoints.http_server"


def routes_for(wanted: str) -> tuple[str, ...]:
    """Return the routes to try in turn."""
    if wanted != "auto":
        return (wanted,)
    return ("full",) if shutil.which("nvidia-smi") else ROUTES


def build(store: Store) -> None:
    """Build the environment, prove that it works, and mark it complete.

    Raises:
        SetupError: A step failed; what it left is built afresh the next time.
    """
    print(f"setup: building the {store.route} environment in {store.path}", flush=True)
    store.start_afresh()
    create_venv(store)
    install = install_lean if store.route == "lean" else install_full
    install(store)
    run("checking that torch and SGLang import", [store.python, "-I", "-W", "ignore", "-c", PROOF])
    store.note(complete=store.key)


def create_venv(store: Store) -> None:
    """Create an environment that has pip, also where Python comes without ensurepip (as Debian's does)."""
    venv: Command = [sys.executable, "-m", "venv", store.path]
    if importlib.util.find_spec("ensurepip"):
        run("creating the virtual environment", venv)
        return
    run("creating the virtual environment", [*venv, "--without-pip"])
    run("installing pip in it", [sys.executable, "-m", "pip", "--python", store.python, "install", "pip"])


def install_full(store: Store) -> None:
    project = pyproject()
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    pip: Command = [store.python, "-m", "pip", "install", "--progress-bar", "on"]
    run("updating pip", [*pip, "--upgrade", "pip"])
    run("installing SGLang with all it depends on: about 11 GB, several minutes", [*pip, *wanted])


def install_lean(store: Store) -> None:
    run("installing uv", [store.python, "-m", "pip", "install", "-qq", "uv"])
    variables = uv_variables(store.python)
    source = find_torch(store.path / "bin" / "uv", store.python, variables)
    if source is None:
        raise SetupError("no CPU build of torch can be had, neither from PyTorch's own index nor from pip's find-links")
    install: Command = [store.path / "bin" / "uv", "pip", "install", "--python", store.python]
    pinned: Command = ["--no-deps", "-r", PINNED, "-r", PINNED_DEV]
    run("installing SGLang without its GPU parts, and the tools", [*install, *pinned], variables)
    run(f"installing torch {source.label}", [*install, "-c", PINNED, *source.arguments], variables)
    if source.needs_torchvision_schemas:
        schemas = ROOT / "scripts" / "cpu_env"
        run("installing the schemas torchvision lacks", [*install, "--no-deps", schemas], variables)
