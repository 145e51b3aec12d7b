"""Installed but not switched on, SuperInfer leaves SGLang exactly as it is."""

import json
import os
import subprocess
import sys

import pytest

from superinfer.config import ENV
from superinfer.srt.hooks import hooks

pytestmark = pytest.mark.integration

PROBE = """
import json, pkgutil, sys
from sglang.srt.plugins import load_plugins
from sglang.srt.plugins.hook_registry import HookRegistry
from sglang.srt.platforms import current_platform
load_plugins()
targets = json.loads(sys.argv[1])
print(json.dumps({
    "hooks": {target: len(hooks) for target, hooks in HookRegistry._hooks.items()},
    "classes": {target: f"{cls.__module__}.{cls.__qualname__}"
                for target in targets for cls in [pkgutil.resolve_name(target)]},
    "platform": f"{type(current_platform).__module__}.{type(current_platform).__qualname__}",
    "superinfer modules": sorted(m for m in sys.modules if m.startswith("superinfer.srt.") ),
}))
"""


def probe(**env):
    clean = {key: value for key, value in os.environ.items() if key != ENV}
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([hook.target for hook in hooks()])],
        capture_output=True,
        text=True,
        timeout=240,
        env={**clean, **env},
        check=True,
    )
    return json.loads(result.stdout.splitlines()[-1])


def test_off_is_the_same_as_not_installed():
    off = probe()
    # SGLang's whitelist keeps it from even importing our entry points: as if we were not installed.
    absent = probe(SGLANG_PLUGINS="another")
    assert off | {"superinfer modules": None} == absent | {"superinfer modules": None}
    assert off["hooks"] == {}
    assert all(cls.startswith("sglang.") for cls in off["classes"].values())
    assert off["platform"].startswith("sglang.")
    assert set(off["superinfer modules"]) <= {"superinfer.srt.plugin", "superinfer.srt.platform"}


def test_on_is_different():
    on = probe(**{ENV: "{}"})
    assert on["platform"] == "superinfer.srt.cpu.PortableCpuPlatform"
    assert list(on["hooks"]) == ["sglang.srt.managers.tokenizer_manager.TokenizerManager"]
