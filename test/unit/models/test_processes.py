"""Several processes, one of them perhaps killed: what threads and mocks cannot show."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import superinfer.models
from superinfer.models import PackagedModel

pytestmark = pytest.mark.unit

PREPARE = """
import logging, pathlib, shutil, sys, time
import msgspec
from superinfer.models import PackagedModel, ensure_default_model

logging.basicConfig(level=logging.INFO)
root = pathlib.Path(sys.argv[1])
model = msgspec.json.decode(sys.argv[2], type=PackagedModel)

def convert(gguf, directory):
    shutil.copy(gguf, directory / "model.safetensors")
    with (root / "conversions").open("a") as log:
        log.write("x")
    while not (root / "go").exists():
        time.sleep(0.01)

print(ensure_default_model(
    cache_dir=root / "cache", model=model, fetch=lambda *_: pathlib.Path(sys.argv[3]), convert=convert
))
"""
PATIENCE_S = 30


def python(*arguments: str) -> subprocess.Popen[str]:
    source = str(Path(superinfer.models.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", *arguments],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path, model: PackagedModel, wheel: Path):
    started: list[subprocess.Popen[str]] = []

    def start_one() -> subprocess.Popen[str]:
        started.append(python(PREPARE, str(tmp_path), msgspec.json.encode(model).decode(), str(wheel)))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def test_second_process_waits_and_uses_the_result(start, tmp_path):
    first = start()
    wait_for(tmp_path / "conversions")
    second = start()
    assert "another process is preparing tiny: waiting" in second.stderr.readline()
    (tmp_path / "go").touch()

    paths = [process.communicate(timeout=PATIENCE_S)[0].strip() for process in (first, second)]
    assert paths[0] == paths[1]
    assert Path(paths[0], "model.safetensors").exists()
    assert (tmp_path / "conversions").read_text() == "x"


def test_killed_process_leaves_nothing_that_looks_ready(start, tmp_path, model):
    killed = start()
    wait_for(tmp_path / "conversions")
    killed.kill()
    killed.wait()
    target = tmp_path / "cache" / model.directory_name
    assert not target.exists()

    (tmp_path / "go").touch()
    assert start().communicate(timeout=PATIENCE_S)[0].strip() == str(target)
    assert not list((tmp_path / "cache").glob(".*.staging"))


def test_import_is_light():
    heavy = "{'torch', 'transformers', 'numpy', 'gguf', 'tokenizers'}"
    process = python(f"import sys, superinfer.models; print(sorted({heavy} & set(sys.modules)))")
    assert process.communicate(timeout=PATIENCE_S)[0].strip() == "[]"
