"""A server that would not do what it was asked to does not start, and says why in one sentence."""

import os
import subprocess
import sys

import pytest

from support.server import serve_command

pytestmark = pytest.mark.integration


def start(*args, **env):
    return subprocess.run(
        serve_command(*args), capture_output=True, text=True, timeout=240, env={**os.environ, **env}, check=False
    )


def test_a_hook_that_did_not_take_is_named(tiny_model):
    # SGLang's own switch to leave plugins out; it only logs that.
    result = start("--model-path", str(tiny_model), SGLANG_PLUGINS="another")
    assert result.returncode == 2
    assert "TokenizerManager" in result.stderr
    assert "written for sglang 0.5.23" in result.stderr


FAILS_IN = """
import os, sys
from superinfer import config
config.enable(config.Config())
from superinfer.srt import process
from superinfer.srt.hooks import HookError, Role
try:
    process.load(Role[sys.argv[1]])
except HookError as error:
    print(error)
    raise SystemExit(7)
"""


@pytest.mark.parametrize(
    ("role", "hook"), [("SCHEDULER", "managers.scheduler.Scheduler"), ("DETOKENIZER", "platforms.current_platform")]
)
def test_every_process_checks_its_hooks(role, hook):
    result = subprocess.run(
        [sys.executable, "-c", FAILS_IN, role],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "SGLANG_PLUGINS": "another"},
        check=False,
    )
    assert result.returncode == 7, result.stderr
    assert hook in result.stdout


def test_an_unsupported_mode_is_refused_in_one_sentence(tiny_model):
    result = start("--model-path", str(tiny_model), "--tokenizer-worker-num", "2")
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("superinfer serve: SuperInfer does not support --tokenizer-worker-num above 1:")


def test_a_bad_classes_file_names_file_and_field(tmp_path):
    path = tmp_path / "classes.toml"
    path.write_text("[classes.gold]\nttft_ms = 'soon'\n")
    result = start("--slo-classes", str(path))
    assert result.returncode == 2
    assert f"{path}: classes.gold.ttft_ms" in result.stderr
