"""The systems compared: SuperInfer, other schedulers on its kernels, and peers as `benchmark.engine` starts them.

All have the same room for keys and values, in tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from benchmark.engine.engines import ENGINES, KV_TOKENS, Engine, Setting, priorities
from benchmark.engine.workloads import Urgency
from benchmark.mixed.loads import Targets

_VLLM_BLOCK = 128
_PLAIN: Mapping[Urgency, Mapping[str, Any]] = {urgency: {} for urgency in Urgency}


def superinfer(setting: Setting, targets: Targets) -> Engine:
    """SuperInfer as it is started by default, told what each request is promised."""
    promises = {
        Urgency.CHAT: {"class": "interactive", "ttft_ms": targets.ttft_ms, "tpot_ms": targets.tpot_ms},
        Urgency.AGENT: {"class": "standard", "deadline_ms": targets.step_ms},
        Urgency.BATCH: {"class": "batch"},
    }
    fields: Mapping[Urgency, Mapping[str, Any]] = {Urgency.PLAIN: {}} | {
        urgency: {"slo": slo} for urgency, slo in promises.items()
    }
    return replace(ENGINES["superinfer"](setting), fields=fields)


def untold(setting: Setting, targets: Targets) -> Engine:
    """The same server, told nothing."""
    return replace(superinfer(setting, targets), name="superinfer-untold", fields=_PLAIN)


def _builtin(name: str, fields: Mapping[Urgency, Mapping[str, Any]], *arguments: str) -> Callable[..., Engine]:
    """SuperInfer's kernels under one of SGLang's own schedulers, at its best setting."""

    def start(setting: Setting, targets: Targets) -> Engine:
        file = setting.scratch / "superinfer.toml"
        file.write_text("[rotation]\nenabled = false\n")
        engine = ENGINES["superinfer"](setting)
        return replace(
            engine, name=name, command=[*engine.command, "--slo-classes", str(file), *arguments], fields=fields
        )

    return start


def stock(setting: Setting, targets: Targets) -> Engine:
    """Stock SGLang, told priorities."""
    return ENGINES["stock"](setting)


def _vllm(name: str, fields: Mapping[Urgency, Mapping[str, Any]] | None = None) -> Callable[..., Engine]:
    def start(setting: Setting, targets: Targets) -> Engine:
        engine = ENGINES["vllm"](setting)
        room = ["--block-size", str(_VLLM_BLOCK), "--num-gpu-blocks-override", str(KV_TOKENS // _VLLM_BLOCK)]
        return replace(engine, name=name, command=[*engine.command, *room], fields=fields or engine.fields)

    return start


SYSTEMS: Mapping[str, Callable[[Setting, Targets], Engine]] = {
    "superinfer": superinfer,
    "fcfs": _builtin("fcfs", _PLAIN),
    "lpm": _builtin("lpm", _PLAIN, "--schedule-policy", "lpm"),
    "hrrn": _builtin("hrrn", _PLAIN, "--schedule-policy", "hrrn"),
    "spf": _builtin("spf", _PLAIN, "--schedule-policy", "shortest-prefill-first"),
    "dfs-weight": _builtin("dfs-weight", _PLAIN, "--schedule-policy", "dfs-weight"),
    "lof": _builtin("lof", _PLAIN, "--schedule-policy", "lof"),
    "priority": _builtin("priority", priorities(chat=2, agent=1, batch=0), "--enable-priority-scheduling"),
    "stock": stock,
    "vllm": _vllm("vllm"),
    "vllm-fcfs": _vllm("vllm-fcfs", _PLAIN),
    "superinfer-untold": untold,
}
"""System by its name on the command line. ``fcfs``, ``lpm``, ``hrrn``, ``spf``, ``dfs-weight``, ``lof`` and
``priority`` are SGLang's schedulers on SuperInfer's kernels. Its ``random`` and ``routing-key`` are left out: nobody
would expect anything of the one here, and the other needs routing keys. Peers are told priorities, except where their
name says fcfs."""

DEFAULT = ("superinfer", "fcfs", "stock", "vllm", "vllm-fcfs")

QUICK_SYSTEMS = ("superinfer", "fcfs", "stock", "vllm")
"""Those for which a quarter of an hour is enough."""
