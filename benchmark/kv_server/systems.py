"""The same server with its KV kept in different formats."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from benchmark.engine.engines import ENGINES, Engine, Setting
from benchmark.engine.workloads import Urgency
from benchmark.mixed.loads import Targets

NATIVE_TOKEN_BYTES = 23_040
"""Of SmolLM2-135M in bfloat16."""

Starter = Callable[[Setting, Targets, int], Engine]


def _fields(targets: Targets, kv: str | None) -> Mapping[Urgency, Mapping[str, Any]]:
    """What requests are promised; ``kv`` for all of them, or as their classes say."""
    format_of = {} if kv is None else {"kv": kv}
    promises: dict[Urgency, dict[str, Any]] = {
        Urgency.PLAIN: {"class": "standard"},
        Urgency.CHAT: {"class": "interactive", "ttft_ms": targets.ttft_ms, "tpot_ms": targets.tpot_ms},
        Urgency.AGENT: {"class": "standard", "deadline_ms": targets.step_ms},
        Urgency.BATCH: {"class": "batch"},
    }
    return {urgency: {"slo": slo | format_of} for urgency, slo in promises.items()}


def _engine(name: str, setting: Setting, targets: Targets, kv: str | None, *room: str) -> Engine:
    engine = ENGINES["superinfer"](setting)
    at = engine.command.index("--max-total-tokens")
    command = [*engine.command[:at], *engine.command[at + 2 :], "--kv-cache-dtype", "bf16", *room]
    return replace(engine, name=name, command=command, fields=_fields(targets, kv))


def off(setting: Setting, targets: Targets, budget_bytes: int) -> Engine:
    """Without ``--kv-budget``: what there was before, in pages of the same size."""
    tokens = budget_bytes // NATIVE_TOKEN_BYTES // 32 * 32
    return _engine("off", setting, targets, None, "--max-total-tokens", str(tokens), "--page-size", "32")


def _with_budget(name: str, regions: str, kv: str | None, seal: str = "late") -> Starter:
    def start(setting: Setting, targets: Targets, budget_bytes: int) -> Engine:
        room = ("--kv-budget", str(budget_bytes), "--kv-regions", regions, "--kv-seal", seal)
        return _engine(name, setting, targets, kv, *room)

    return start


SYSTEMS: Mapping[str, Starter] = {
    "off": off,
    "native": _with_budget("native", "native:1", "native"),
    "int8": _with_budget("int8", "native:0.3,int8:0.7", "int8", "full"),
    "mixed": _with_budget("mixed", "native:0.5,int8:0.1,int4:0.4", None, "full"),
    "late": _with_budget("late", "native:0.5,int8:0.1,int4:0.4", None),
}
"""System by its name: without a budget; all native; all int8; as the classes say, batch requests in int4, sealed as
soon as a page is full, or once native memory runs short, as is the default."""
