"""Servers and engines with a tiny random model, one per configuration worth testing."""

from pathlib import Path

import pytest

from superinfer.srt.defaults import CPU_OVERLAP
from support.server import running_server
from support.tiny_model import make_tiny_model

STRICT = {
    # SGLang checks after every step, and when idle, that each KV slot is accounted for, and dies if not.
    "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY": "1",
    "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_IDLE": "1",
}
# With float32 KV caches, outputs can be compared with transformers'.
SMALL = ["--dtype", "float32", "--max-total-tokens", "2048", "--log-level", "info", "--random-seed", "0"]
API_KEY = "tiny-secret"
CLASSES = """
[classes.gold]
ttft_ms = 800
tpot_ms = 50

[classes.interactive]
ttft_ms = 5000
tpot_ms = 500

[[clamps]]
tenant = "cheap"
classes = ["batch"]
"""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def classes_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "classes.toml"
    path.write_text(CLASSES)
    return path


@pytest.fixture(scope="session")
def overlap_server(tiny_model, classes_file, tmp_path_factory):
    """Overlap scheduling, page size 1, our own classes file."""
    log = tmp_path_factory.mktemp("overlap") / "server.log"
    overlap = STRICT | {CPU_OVERLAP: "1"}
    args = ["--model-path", str(tiny_model), "--slo-classes", str(classes_file), *SMALL]
    args += ["--enable-metrics", "--max-running-requests", "4"]
    with running_server(log, *args, env=overlap, spawned=True) as server:
        yield server


@pytest.fixture(scope="session")
def paged_server(tiny_model, tmp_path_factory):
    """No overlap, page size 16, chunked prefill, an API key."""
    log = tmp_path_factory.mktemp("paged") / "server.log"
    args = ["--model-path", str(tiny_model), *SMALL, "--page-size", "16"]
    args += ["--chunked-prefill-size", "64"]
    with running_server(log, *args, env=STRICT, api_key=API_KEY) as server:
        yield server


@pytest.fixture(scope="session", params=["overlap", "paged"])
def server(request):
    """Each server in turn."""
    return request.getfixturevalue(f"{request.param}_server")
