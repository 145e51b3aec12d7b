"""Where a CPU build of torch can be had on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from environment.commands import ROOT, Command, ask

TORCH_CPU = ROOT / "requirements" / "torch-cpu.txt"
PROBE_ENV = {"UV_HTTP_TIMEOUT": "5", "UV_HTTP_RETRIES": "0"}
PROBE_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class TorchSource:
    """Arguments of `uv pip install` that bring a CPU build of torch with its torchvision."""

    label: str
    arguments: tuple[str, ...]
    needs_torchvision_schemas: bool


def find_torch(uv: Path, python: Path, variables: Mapping[str, str]) -> TorchSource | None:
    """Return the first source that answers, None if none does."""
    probe: Command = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--python",
        python,
        "--no-deps",
        "--no-header",
        "--no-annotate",
    ]
    environment = {**variables, **PROBE_ENV}

    index = [*probe, "--torch-backend", "cpu", TORCH_CPU]
    if ask(index, environment, timeout_s=PROBE_TIMEOUT_S):
        arguments = ("--torch-backend", "cpu", "-r", str(TORCH_CPU))
        return TorchSource("from PyTorch's index of CPU builds", arguments, needs_torchvision_schemas=False)

    found = ask([*probe, "--no-index", "-"], environment, question="torch", timeout_s=PROBE_TIMEOUT_S)
    if found and found.endswith("+cpu"):
        # The torchvision that belongs to it is built for CUDA where only the package index has one.
        return TorchSource("from pip's find-links", (found, "torchvision"), needs_torchvision_schemas=True)
    return None
