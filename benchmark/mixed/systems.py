"""The systems compared: SuperInfer's schedulers on the same kernels, and peers as `benchmark.engine` starts them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from benchmark.engine.engines import ENGINES, Engine, Setting
from benchmark.engine.workloads import Urgency
from benchmark.mixed.loads import Targets

_NO_TURNS = "[rotation]\nenabled = false\n"
_PLAIN: Mapping[Urgency, Mapping[str, Any]] = {urgency: {} for urgency in Urgency}


def rotation(setting: Setting, targets: Targets) -> Engine:
    """SuperInfer, requests taking turns."""
    chat = {"class": "interactive", "ttft_ms": targets.ttft_ms, "tpot_ms": targets.tpot_ms}
    fields: Mapping[Urgency, Mapping[str, Any]] = {
        Urgency.PLAIN: {},
        Urgency.CHAT: {"slo": chat},
        Urgency.BATCH: {"slo": {"class": "batch"}},
    }
    return replace(ENGINES["superinfer"](setting), name="rotation", fields=fields)


def fcfs(setting: Setting, targets: Targets) -> Engine:
    """The same kernels, and SGLang decides: first come, first served, and to the end."""
    file = setting.scratch / "superinfer.toml"
    file.write_text(_NO_TURNS)
    engine = ENGINES["superinfer"](setting)
    return replace(engine, name="fcfs", command=[*engine.command, "--slo-classes", str(file)], fields=_PLAIN)


def _peer(name: str, *, plain: bool = False) -> Callable[[Setting, Targets], Engine]:
    def start(setting: Setting, targets: Targets) -> Engine:
        engine = ENGINES[name](setting)
        return replace(engine, name=f"{name}-fcfs", fields=_PLAIN) if plain else engine

    return start


SYSTEMS: Mapping[str, Callable[[Setting, Targets], Engine]] = {
    "rotation": rotation,
    "fcfs": fcfs,
    "stock": _peer("stock"),
    "vllm": _peer("vllm"),
    "vllm-fcfs": _peer("vllm", plain=True),
}
"""System by the name that the command line knows. Peers are told priorities, except where the name says fcfs."""
