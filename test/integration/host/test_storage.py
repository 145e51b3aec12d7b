"""SGLang's storage behind the host tier: what was computed once outlives the server."""

import pytest

from integration.host.engines import GREEDY, prompt
from superinfer.config import Config, HostConfig, RotationConfig
from support.engine import running_engine

pytestmark = pytest.mark.integration

SETTINGS = {"dtype": "float32", "random_seed": 0, "max_total_tokens": 2048, "page_size": 16}
PROMPTS = [prompt(index, 640) for index in range(2)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SGLANG_HICACHE_FILE_BACKEND_STORAGE_DIR", str(tmp_path / "kv"))
    return tmp_path / "kv"


def answers(model):
    config = Config(host=HostConfig(kv_bytes="4m"), rotation=RotationConfig(enabled=False))
    storage = {"hicache_storage_backend": "file", "hicache_storage_prefetch_policy": "wait_complete"}
    with running_engine(model_path=str(model), slo_config=config, **SETTINGS, **storage) as engine:
        params = GREEDY | {"max_new_tokens": 8}
        found = [engine.generate(input_ids=ids, sampling_params=params) for ids in PROMPTS]
    return [one["output_ids"] for one in found], [one["meta_info"]["cached_tokens"] for one in found]


def test_a_prefix_comes_back_from_files_of_an_earlier_server(tiny_model, folder):
    first, computed = answers(tiny_model)
    assert computed == [0, 0]
    assert any(folder.iterdir())
    again, cached = answers(tiny_model)
    assert again == first
    assert min(cached) >= 512
