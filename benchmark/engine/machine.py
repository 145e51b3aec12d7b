"""What the figures were measured on, and with which versions."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmark.engine.engines import ROOT, peers_directory

_INSTRUCTION_SETS = frozenset(
    {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"}
    | {"amx_tile", "amx_bf16", "asimd", "asimdhp", "bf16", "sve"}
)


def describe(threads: int, model: Path) -> dict[str, Any]:
    """Processor, memory, versions and how busy the machine was before the benchmark started."""
    return {
        "processor": _cpuinfo("model name") or platform.machine(),
        "instruction_sets": sorted(_INSTRUCTION_SETS.intersection(_flags())),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "memory_bytes": psutil.virtual_memory().total,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average_1_5_15_min": os.getloadavg(),
        "python": platform.python_version(),
        "model": model.name,
        "dtype": "float32",
        "versions": {name: version(name) for name in ("superinfer", "sglang", "torch")} | _peer_versions(),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _flags() -> list[str]:
    return (_cpuinfo("flags") or _cpuinfo("Features") or "").split()


def _cpuinfo(key: str) -> str | None:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _peer_versions() -> dict[str, str]:
    python = peers_directory() / "vllm" / "bin" / "python"
    if not python.exists():
        return {}
    program = (
        "import json; from importlib.metadata import version; "
        "print(json.dumps({'vllm': version('vllm'), 'vllm_torch': version('torch')}))"
    )
    answer = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(answer.stdout)
    return versions


def _git(*arguments: str) -> str | None:
    answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None
