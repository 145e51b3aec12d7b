"""Routes under ``/superinfer``."""

from typing import Any

from fastapi import APIRouter

from superinfer import __version__
from superinfer.srt import SGLANG_VERSION
from superinfer.srt.hooks import Role, status
from superinfer.srt.internal_state import STATE_KEY

router = APIRouter(prefix="/superinfer")


@router.get("/state")
async def state() -> dict[str, Any]:
    """What SuperInfer is doing: classes, hooks, and for each scheduler its queue, outcomes and costs."""
    from sglang.srt.entrypoints.http_server import get_global_state

    manager = get_global_state().tokenizer_manager
    policy = manager.slo_policy
    ranks = await manager.get_internal_state()
    return {
        "version": __version__,
        "model": manager.served_model_name,
        "sglang_version": SGLANG_VERSION,
        "hooks": status(Role.SERVER),
        "default_slo_class": policy.classes.default,
        "slo_classes": {name: item.targets.to_dict() for name, item in policy.classes.items()},
        "schedulers": [rank.get(STATE_KEY) for rank in ranks],
    }
