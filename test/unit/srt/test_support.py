import re
from types import SimpleNamespace

import pytest

from superinfer.config import CacheConfig, Config, HostConfig, KvConfig, ObserveConfig, RotationConfig
from superinfer.srt.support import LIMITS, UnsupportedError, check

pytestmark = pytest.mark.unit

SUPPORTED = {
    "tokenizer_worker_num": 1,
    "grpc_mode": False,
    "smg_grpc_mode": False,
    "grpc_port": None,
    "use_ray": False,
    "pp_size": 1,
    "disaggregation_mode": "null",
    "enable_pdmux": False,
    "dllm_algorithm": None,
    "enable_dp_attention": False,
    "speculative_algorithm": None,
    "is_embedding": False,
    "schedule_policy": "fcfs",
    "enable_priority_scheduling": False,
    "scheduler_recv_interval": 1,
    "disable_radix_cache": False,
    "enable_session_radix_cache": False,
    "enable_lmcache": False,
    "enable_flexkv": False,
    "enable_unified_cache_external_linker": False,
    "enable_kv_cache_sharding": False,
    "radix_eviction_policy": "lru",
    "_radix_eviction_policy_explicitly_set": False,
    "radix_cache_backend": None,
    "chunked_prefill_size": None,
    "prefill_decode_interval": None,
    "min_free_slots_delay": None,
    "enable_prefill_delayer": False,
    "enable_lora": None,
    "lora_paths": None,
    "dp_size": 2,
    "hicache_storage_backend": None,
    "device": "cpu",
    "max_total_tokens": None,
    "page_size": None,
    "attention_backend": None,
    "enable_hierarchical_cache": False,
    "enable_memory_saver": False,
}
ROTATING = Config()
PLAIN = Config(rotation=RotationConfig(enabled=False))
MIXED_KV = Config(kv=KvConfig(budget="1g"))
EVENTS = ObserveConfig(events="tcp://127.0.0.1:5556")
WITH_ROTATION_ONLY = [
    ("--schedule-policy other than fcfs", {"schedule_policy": "lpm"}),
    ("--enable-priority-scheduling", {"enable_priority_scheduling": True}),
    ("--disable-radix-cache", {"disable_radix_cache": True}),
    ("--chunked-prefill-size -1", {"chunked_prefill_size": -1}),
    ("--prefill-decode-interval", {"prefill_decode_interval": 2}),
    ("--min-free-slots-delay", {"min_free_slots_delay": 1}),
    ("--enable-prefill-delayer", {"enable_prefill_delayer": True}),
    ("--enable-lora", {"enable_lora": True}),
    ("--enable-lora", {"lora_paths": {"one": "path"}}),
    ("--hicache-storage-backend", {"hicache_storage_backend": "file"}),
]
TIER = {"kv": KvConfig(budget="1g"), "host": HostConfig(kv_bytes="1g")}
BY_CONFIGURATION = [
    ("--kv-budget with a host tier and SGLang's cache", Config(**TIER, cache=CacheConfig(eviction="sglang"))),
    ("--kv-budget without [rotation]", Config(rotation=RotationConfig(enabled=False), kv=KvConfig(budget="1g"))),
    ("[observe] events without [rotation]", Config(rotation=RotationConfig(enabled=False), observe=EVENTS)),
    ("[observe] events with --dp-size above 1", Config(observe=EVENTS)),
    ("[host] link_bytes_per_s on a GPU", Config(host=HostConfig(link_bytes_per_s="1g"))),
    ("[cache] access_log with --dp-size above 1", Config(cache=CacheConfig(access_log="access.jsonl"))),
]
WITH_MIXED_KV_ONLY = [
    ("--kv-budget on CUDA", {"device": "cuda"}),
    ("--kv-budget with --max-total-tokens", {"max_total_tokens": 4096}),
    ("--kv-budget with --page-size other than 32", {"page_size": 16}),
    ("--kv-budget with another --attention-backend", {"attention_backend": "torch_native"}),
    ("--kv-budget with --enable-memory-saver", {"enable_memory_saver": True}),
]
BY_ARGUMENT = [
    ("--tokenizer-worker-num above 1", {"tokenizer_worker_num": 2}),
    ("gRPC serving", {"grpc_mode": True}),
    ("gRPC serving", {"smg_grpc_mode": True}),
    ("gRPC serving", {"grpc_port": 0}),
    ("--use-ray", {"use_ray": True}),
    ("--pp-size above 1", {"pp_size": 2}),
    ("--disaggregation-mode", {"disaggregation_mode": "prefill"}),
    ("--enable-pdmux", {"enable_pdmux": True}),
    ("--dllm-algorithm", {"dllm_algorithm": "LowConfidence"}),
    ("--enable-dp-attention", {"enable_dp_attention": True}),
    ("--speculative-algorithm", {"speculative_algorithm": "EAGLE"}),
    ("--is-embedding", {"is_embedding": True}),
    ("--scheduler-recv-interval above 1", {"scheduler_recv_interval": 2}),
    *WITH_ROTATION_ONLY,
    *WITH_MIXED_KV_ONLY,
]
ANOTHER_CACHE = "[cache] eviction with SGLang's arguments for another cache"
BY_ENVIRONMENT = ["SGLANG_RUST_SERVER", "SGLANG_ENABLE_REQUEST_DECOMPRESSION"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in BY_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def arguments(**changes):
    return SimpleNamespace(**{**SUPPORTED, **changes})


def test_the_plain_case_is_supported():
    check(arguments(), ROTATING)
    check(arguments(page_size=32, attention_backend="superinfer"), MIXED_KV)


@pytest.mark.parametrize(("mode", "changes"), WITH_MIXED_KV_ONLY)
def test_with_native_kv_only_sglang_may_do_as_it_is_told(mode, changes):
    check(arguments(**changes), ROTATING)


def test_every_limit_is_tested_below():
    tested = {mode for mode, _ in BY_ARGUMENT + BY_CONFIGURATION} | {ANOTHER_CACHE} | set(BY_ENVIRONMENT)
    assert {limit.mode for limit in LIMITS} == tested


@pytest.mark.parametrize(("mode", "changes"), BY_ARGUMENT)
def test_refuses_an_argument_in_a_sentence_that_names_it(mode, changes):
    with pytest.raises(UnsupportedError) as caught:
        check(arguments(**changes), MIXED_KV)
    message = str(caught.value)
    assert message.startswith(f"SuperInfer does not support {mode}: ")
    assert message.endswith(".")
    assert message.count(".") == 1


@pytest.mark.parametrize("name", BY_ENVIRONMENT)
@pytest.mark.parametrize("value", ["1", "true", "True", "YES", "on"])
def test_refuses_an_environment_variable_that_is_on(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UnsupportedError, match=f"does not support {name}: "):
        check(arguments(), ROTATING)


@pytest.mark.parametrize("name", BY_ENVIRONMENT)
@pytest.mark.parametrize("value", ["", "0", "false", "off"])
def test_accepts_an_environment_variable_that_is_off(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    check(arguments(), ROTATING)


@pytest.mark.parametrize(("mode", "changes"), WITH_ROTATION_ONLY)
def test_without_turns_sglang_may_do_as_it_is_told(mode, changes):
    check(arguments(**changes), PLAIN)


@pytest.mark.parametrize(("mode", "config"), BY_CONFIGURATION)
def test_refuses_a_configuration_in_a_sentence_that_names_it(mode, config):
    with pytest.raises(UnsupportedError, match=f"^SuperInfer does not support {re.escape(mode)}: "):
        check(arguments(), config)


@pytest.mark.parametrize(
    "changes",
    [
        {"radix_eviction_policy": "slru"},
        {"_radix_eviction_policy_explicitly_set": True},
        {"enable_session_radix_cache": True},
        {"radix_cache_backend": "flexkv"},
    ],
)
def test_refuses_two_rules_of_eviction_and_takes_sglangs_alone(changes):
    with pytest.raises(UnsupportedError, match=re.escape(ANOTHER_CACHE)):
        check(arguments(**changes), Config(cache=CacheConfig(eviction="learned")))
    for eviction in (None, "sglang"):
        check(arguments(**changes), Config(cache=CacheConfig(eviction=eviction)))


def test_formats_go_to_the_host_with_our_cache_only():
    check(arguments(), Config(**TIER))
    check(arguments(enable_hierarchical_cache=True), MIXED_KV)
    for changes in ({"enable_lmcache": True}, {"radix_cache_backend": "flexkv"}):
        check(arguments(**changes), MIXED_KV)
        with pytest.raises(UnsupportedError, match="--kv-budget with a host tier and SGLang's cache: "):
            check(arguments(enable_hierarchical_cache=True, **changes), MIXED_KV)


def test_refuses_a_predictor_that_cannot_be_read(tmp_path):
    file = tmp_path / "reuse.safetensors"
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(UnsupportedError, match=r"^\[cache\] model cannot be used: .*reuse\.safetensors"):
        check(arguments(), Config(cache=CacheConfig(model=str(file))))


def test_refuses_a_log_that_cannot_be_written(tmp_path):
    config = Config(cache=CacheConfig(access_log=str(tmp_path / "none" / "access.jsonl")))
    with pytest.raises(UnsupportedError, match="access_log cannot be written"):
        check(arguments(dp_size=1), config)
