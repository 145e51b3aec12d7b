"""What importing a part of SuperInfer drags in, seen from a fresh interpreter."""

import os
import subprocess
import sys

import pytest

from superinfer.config import ENV

pytestmark = pytest.mark.unit

HEAVY = {"torch", "sglang", "transformers", "numpy", "triton"}
THIRD_PARTY = HEAVY | {"msgspec", "yaml", "starlette", "fastapi", "httpx", "pydantic", "aiohttp", "rich"}


def loaded_by(code, **environ):
    """Top-level packages loaded after running ``code``, with SuperInfer off unless ``environ`` says otherwise."""
    clean = {name: value for name, value in os.environ.items() if name != ENV}
    output = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"],
        env={**clean, **environ},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return set(output.split())


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        ("import superinfer", THIRD_PARTY),
        ("from superinfer import SLO, SLOError", THIRD_PARTY),
        ("import superinfer.slo, superinfer.sched, superinfer.metrics", THIRD_PARTY),
        ("import superinfer.config", HEAVY),
        ("import superinfer.observe.events, superinfer.observe.publisher", THIRD_PARTY - {"msgspec"}),
        ("import superinfer.cli.top, superinfer.cli.trace", HEAVY),
        ("import superinfer.workload.steps, superinfer.sim.calibrate", HEAVY),
        ("import superinfer.cli, superinfer.cli.serve", HEAVY),
        ("import superinfer.srt.process, superinfer.srt.hooks, superinfer.srt.http.middleware", HEAVY),
        ("from superinfer.srt import exchange, promise, support, threads, clock, ledger, meter", HEAVY),
    ],
)
def test_importing(code, banned):
    loaded = loaded_by(code)
    assert "superinfer" in loaded
    assert not loaded & banned


def test_entry_points_load_nothing_heavy_while_superinfer_is_off():
    code = """
from superinfer.srt import platform, plugin
assert plugin.register() is None
assert platform.activate() is None
"""
    assert not loaded_by(code) & HEAVY
