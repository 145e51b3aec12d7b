"""The engines and their best settings: how each is started, and how it is told what a request is worth."""

import os
import sys
from collections.abc import Callable, Mapping
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.engine.client import SERVED_MODEL_NAME
from benchmark.engine.stock_cpu import write_plugin
from benchmark.engine.workloads import Urgency

ROOT = Path(__file__).resolve().parents[2]
KV_TOKENS = 32_768
KEEP_HALF_WEIGHTS = frozenset({"superinfer"})
"""Engines that compute in float32 with weights kept in the checkpoint's 16 bits; others widen them at loading."""

_POOL_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class MissingEngineError(RuntimeError):
    """An engine is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all engines have in common.

    Attributes:
        model: Directory of the model.
        port: Port on 127.0.0.1.
        threads: Compute threads.
        scratch: An empty directory for this engine's own use.
        eager: Start vLLM without compiling, for a run whose time is limited.
    """

    model: Path
    port: int
    threads: int
    scratch: Path
    eager: bool = False

    @property
    def arguments(self) -> list[str]:
        """Arguments that all engines spell alike."""
        return [
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--served-model-name", SERVED_MODEL_NAME, "--dtype", "float32"),
        ]

    @property
    def thread_variables(self) -> dict[str, str]:
        """Size of the thread pools, for the environment."""
        return dict.fromkeys(_POOL_VARIABLES, str(self.threads))


@dataclass(frozen=True, slots=True)
class Engine:
    """How to start one engine and what to add to its requests."""

    name: str
    command: list[str]
    variables: dict[str, str]
    fields: Mapping[Urgency, Mapping[str, Any]]


def superinfer(setting: Setting) -> Engine:
    """SuperInfer as a user starts it; requests carry their SLO class."""
    return Engine(
        "superinfer",
        [sys.executable, "-m", "superinfer.launch_server", *_sglang_arguments(setting)],
        setting.thread_variables,
        {
            Urgency.PLAIN: {},
            Urgency.CHAT: {"slo": {"class": "interactive"}},
            Urgency.AGENT: {"slo": {"class": "standard"}},
            Urgency.BATCH: {"slo": {"class": "batch"}},
        },
    )


def stock(setting: Setting) -> Engine:
    """SGLang from the same environment, started by its own launcher, with SuperInfer off."""
    path = os.pathsep.join((str(write_plugin(setting.scratch / "plugin")), str(ROOT)))
    return Engine(
        "stock",
        [
            *(sys.executable, "-m", "sglang.launch_server", *_sglang_arguments(setting)),
            *("--attention-backend", "torch_native", "--sampling-backend", "pytorch"),
            *("--mem-fraction-static", "0.5", "--enable-priority-scheduling"),
            # On a CPU, overlap only keeps each result back for a step.
            "--disable-overlap-schedule",
        ],
        {**setting.thread_variables, "PYTHONPATH": path},
        priorities(chat=2, agent=1, batch=0),
    )


def vllm(setting: Setting) -> Engine:
    """vLLM on the same cores as everybody."""
    return _vllm("vllm", setting, _cores(setting))


def vllm_iomp(setting: Setting) -> Engine:
    """The same with the libraries preloaded that vLLM's manual recommends."""
    return _vllm("vllm-iomp", setting, _cores(setting) | _preloads())


def vllm_auto(setting: Setting) -> Engine:
    """vLLM with the cores that it chooses itself: on a small machine, all but one."""
    return _vllm("vllm-auto", setting, {"VLLM_CPU_OMP_THREADS_BIND": "auto"})


ENGINES: Mapping[str, Callable[[Setting], Engine]] = {
    "superinfer": superinfer,
    "stock": stock,
    "vllm": vllm,
    "vllm-iomp": vllm_iomp,
    "vllm-auto": vllm_auto,
}
"""Engine by the name that the command line knows."""


def peers_directory() -> Path:
    """Where ``scripts/install_peers.sh`` installs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "superinfer" / "peers"


def _sglang_arguments(setting: Setting) -> list[str]:
    return [*setting.arguments, "--model-path", str(setting.model), "--max-total-tokens", str(KV_TOKENS)]


def _cores(setting: Setting) -> dict[str, str]:
    cores = sorted(os.sched_getaffinity(0))[: setting.threads]
    return {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores))}


def _preloads() -> dict[str, str]:
    """Intel's OpenMP, which comes with vLLM on x86, and tcmalloc if this machine has it."""
    openmp = peers_directory() / "vllm" / "lib" / "libiomp5.so"
    tcmalloc = find_library("tcmalloc_minimal")
    found = [*([str(openmp)] if openmp.exists() else []), *([tcmalloc] if tcmalloc else [])]
    return {"LD_PRELOAD": ":".join(found)} if found else {}


def _vllm(name: str, setting: Setting, variables: Mapping[str, str]) -> Engine:
    program = peers_directory() / "vllm" / "bin" / "vllm"
    if not program.exists():
        raise MissingEngineError(f"vLLM is not in {program.parents[1]}: run scripts/install_peers.sh first")
    command = [str(program), "serve", str(setting.model), *setting.arguments]
    command += ["--gpu-memory-utilization", "0.3", "--scheduling-policy", "priority"]
    if setting.eager:
        command.append("--enforce-eager")
    offline = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "2"}
    # vLLM's lower number goes first.
    return Engine(name, command, {**offline, **variables}, priorities(chat=0, agent=1, batch=2))


def priorities(*, chat: int, agent: int, batch: int) -> dict[Urgency, dict[str, int]]:
    """What goes into the body of a request of each urgency."""
    levels = {Urgency.CHAT: chat, Urgency.AGENT: agent, Urgency.BATCH: batch}
    return {Urgency.PLAIN: {}} | {urgency: {"priority": level} for urgency, level in levels.items()}
