"""What a server answers when asked for its state."""

from typing import Any


def scheduler(**changes) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "scheduler": "RotatingScheduler",
        "hooks": {},
        "waiting": [{"rid": "a", "waited_ms": 1_500, "slo": {}}, {"rid": "b", "waited_ms": 200, "slo": {}}],
        "waiting_total": 2,
        "running_total": 5,
        "outcomes": {"interactive": {"met": 9, "missed": 1}, "batch": {"none": 4, "aborted": 2}},
        "cost": {"prefill_token_us": 51.5, "decode_step_us": 20_300},
        "kv_tokens": 32_768,
        **changes,
    }


def state(*schedulers) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "model": "SmolLM2",
        "sglang_version": "0.5.23",
        "hooks": {},
        "default_slo_class": "standard",
        "slo_classes": {"interactive": {"ttft_ms": 500}, "standard": {}, "batch": {}},
        "schedulers": list(schedulers) or [scheduler()],
    }
