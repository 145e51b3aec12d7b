"""Every engine is given the same model, type, threads and address."""

import os
from pathlib import Path

import pytest
from benchmark.engine import engines
from benchmark.engine.engines import ENGINES, MissingEngineError, Setting
from benchmark.engine.workloads import Urgency

pytestmark = pytest.mark.unit


@pytest.fixture
def peers(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = tmp_path / "cache" / "superinfer" / "peers" / "vllm" / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.touch()
    return program


@pytest.fixture
def setting(tmp_path):
    return Setting(Path("/models/m"), port=1234, threads=1, scratch=tmp_path)


@pytest.mark.parametrize("name", ENGINES)
def test_all_get_the_same_model_type_and_address(name, setting, peers):
    command = " ".join(ENGINES[name](setting).command)
    assert "--host 127.0.0.1 --port 1234 --served-model-name benchmark --dtype float32" in command
    assert "/models/m" in command


@pytest.mark.parametrize("name", ["superinfer", "stock"])
def test_sglang_gets_its_threads_and_as_much_cache(name, setting):
    engine = ENGINES[name](setting)
    assert engine.variables["OMP_NUM_THREADS"] == "1"
    assert engine.command[engine.command.index("--max-total-tokens") + 1] == "32768"


@pytest.mark.parametrize("name", ["vllm", "vllm-iomp"])
def test_vllm_gets_as_many_cores_as_others_get_threads(name, setting, peers):
    cores = ENGINES[name](setting).variables["VLLM_CPU_OMP_THREADS_BIND"]
    assert cores == str(min(os.sched_getaffinity(0)))


def test_vllm_iomp_gets_the_openmp_that_vllm_brings(setting, peers):
    assert "LD_PRELOAD" not in ENGINES["vllm"](setting).variables
    openmp = peers.parents[1] / "lib" / "libiomp5.so"
    openmp.parent.mkdir()
    openmp.touch()
    assert ENGINES["vllm-iomp"](setting).variables["LD_PRELOAD"].split(":")[0] == str(openmp)


def test_vllm_compiles_unless_told_not_to(setting, peers, tmp_path):
    assert "--enforce-eager" not in ENGINES["vllm"](setting).command
    assert "--enforce-eager" in ENGINES["vllm"](Setting(Path("/m"), 1, 1, tmp_path, eager=True)).command


def test_a_missing_vllm_is_an_error_that_says_what_to_do(setting, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(MissingEngineError, match=r"scripts/install_peers\.sh"):
        engines.vllm(setting)


def test_stock_sglang_finds_a_platform_that_is_not_ours(setting):
    from importlib.metadata import distributions

    path = ENGINES["stock"](setting).variables["PYTHONPATH"].split(os.pathsep)
    [plugin] = distributions(path=path[:1])
    [entry] = plugin.entry_points
    assert entry.group == "sglang.srt.platforms"
    assert entry.load()() == "benchmark.engine.stock_cpu_platform.StockCpuPlatform"


def test_chat_comes_before_batch_in_each_engines_own_terms(setting, peers):
    fields = {name: make(setting).fields for name, make in ENGINES.items()}
    assert fields["superinfer"][Urgency.CHAT] == {"slo": {"class": "interactive"}}
    assert fields["stock"][Urgency.CHAT]["priority"] > fields["stock"][Urgency.BATCH]["priority"]
    assert fields["vllm"][Urgency.CHAT]["priority"] < fields["vllm"][Urgency.BATCH]["priority"]
