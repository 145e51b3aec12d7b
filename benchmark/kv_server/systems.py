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


Formats = Mapping[Urgency, str]
"""The format of requests; of those that are not named, as their classes say."""

STRICT = {
    "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY": "1",
    "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_IDLE": "1",
}
"""Whether every token of KV is accounted for is looked at after every step, and the server ends if not."""


def _fields(targets: Targets, formats: Formats) -> Mapping[Urgency, Mapping[str, Any]]:
    """What requests are promised, and in which format they are kept."""
    promises: dict[Urgency, dict[str, Any]] = {
        Urgency.PLAIN: {"class": "standard"},
        Urgency.CHAT: {"class": "interactive", "ttft_ms": targets.ttft_ms, "tpot_ms": targets.tpot_ms},
        Urgency.AGENT: {"class": "standard", "deadline_ms": targets.step_ms},
        Urgency.BATCH: {"class": "batch"},
    }
    return {
        urgency: {"slo": slo | ({"kv": formats[urgency]} if urgency in formats else {})}
        for urgency, slo in promises.items()
    }


def _engine(name: str, setting: Setting, targets: Targets, formats: Formats, *room: str) -> Engine:
    engine = ENGINES["superinfer"](setting)
    return replace(engine, name=name, command=with_room(engine, *room), fields=_fields(targets, formats))


def with_room(engine: Engine, *room: str) -> list[str]:
    """Its command with other arguments for the memory of KV, whose native format is bfloat16."""
    at = engine.command.index("--max-total-tokens")
    return [*engine.command[:at], *engine.command[at + 2 :], "--kv-cache-dtype", "bf16", *room]


def off(setting: Setting, targets: Targets, budget_bytes: int) -> Engine:
    """Without ``--kv-budget``: what there was before, in pages of the same size."""
    tokens = budget_bytes // NATIVE_TOKEN_BYTES // 32 * 32
    return _engine("off", setting, targets, {}, "--max-total-tokens", str(tokens), "--page-size", "32")


def _with_budget(name: str, regions: str, formats: Formats, seal: str = "late") -> Starter:
    def start(setting: Setting, targets: Targets, budget_bytes: int) -> Engine:
        room = ("--kv-budget", str(budget_bytes), "--kv-regions", regions, "--kv-seal", seal)
        return _engine(name, setting, targets, formats, *room)

    return start


def strict(setting: Setting, targets: Targets, budget_bytes: int) -> Engine:
    """As ``auto``, and it ends when a token of KV is not accounted for."""
    engine = SYSTEMS["auto"](setting, targets, budget_bytes)
    return replace(engine, name="strict", variables=engine.variables | STRICT)


PRESSED = {Urgency.CHAT: "int8", Urgency.AGENT: "int8"}
"""What an operator who is short of memory has chat and agents accept; batch accepts int4 by its class."""

MIXED = "native:0.5,int8:0.1,int4:0.4"

SYSTEMS: Mapping[str, Starter] = {
    "off": off,
    "native": _with_budget("native", "native:1", dict.fromkeys(Urgency, "native")),
    "int8": _with_budget("int8", "native:0.3,int8:0.7", dict.fromkeys(Urgency, "int8"), "full"),
    "auto int8": _with_budget("auto int8", "auto", dict.fromkeys(Urgency, "int8")),
    "mixed": _with_budget("mixed", MIXED, {}, "full"),
    "int8 chat": _with_budget("int8 chat", "native:0.3,int8:0.4,int4:0.3", {Urgency.CHAT: "int8"}, "full"),
    "late": _with_budget("late", MIXED, {}),
    "auto": _with_budget("auto", "auto", {}),
    "auto int8 chat": _with_budget("auto int8 chat", "auto", PRESSED),
    "strict": strict,
}
"""System by its name.

`off` has no budget; `native` and `int8` keep all in that format, `mixed` as the classes say, batch requests in int4,
and `int8 chat` does so, but for chat in int8: these seal a page as soon as it is full. `late` is `mixed` with pages
sealed once native memory runs short. `auto` is that in regions that follow the requests, as is the default; so are
`auto int8`, with all in int8, and `auto int8 chat`, with chat and agents in int8. `strict` is `auto` with strict
checks.
"""
