"""One server with the embedded model, for all end-to-end tests."""

import pytest

from superinfer.models import ensure_default_model
from support.server import running_server


@pytest.fixture(scope="session")
def model_path():
    return ensure_default_model()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    log = tmp_path_factory.mktemp("e2e") / "server.log"
    strict = {"SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY": "1"}
    # KV in float32, too, so that tokens can be compared with transformers'.
    args = ["--dtype", "float32", "--enable-metrics", "--random-seed", "0"]
    with running_server(log, *args, env=strict, spawned=True) as server:
        yield server


@pytest.fixture(scope="session")
def base_url(server) -> str:
    return server.url
