"""What SuperInfer does not support, refused at start-up in one sentence each."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superinfer.config import CacheConfig, Config
from superinfer.kv import PAGE_TOKENS
from superinfer.srt import ATTENTION_BACKEND, platform
from superinfer.srt.cache import choice


class UnsupportedError(ValueError):
    """The requested combination of features is not supported."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A mode SuperInfer refuses.

    Attributes:
        mode: The flag or variable that asks for it, as the operator knows it.
        asked: Whether the server arguments and our configuration ask for it.
        why: End of the sentence "SuperInfer does not support MODE: ...".
    """

    mode: str
    asked: Callable[[Any, Config], bool]
    why: str


def _rotating(asked: Callable[[Any], bool]) -> Callable[[Any, Config], bool]:
    """Refused only where requests take turns."""
    return lambda args, config: config.rotation.enabled and asked(args)


def _mixed_kv(asked: Callable[[Any], bool]) -> Callable[[Any, Config], bool]:
    """Refused only where KV is kept in several formats."""
    return lambda args, config: config.kv.budget is not None and asked(args)


def _has_tier(args: Any, config: Config) -> bool:
    """Whether KV is kept in host memory."""
    return bool(args.enable_hierarchical_cache or config.host.tier_bytes)


def _our_cache(args: Any, config: Config) -> bool:
    """Whether our radix cache serves."""
    return config.cache.eviction != "sglang" and choice.conflict(args) is None


def _env(name: str) -> Callable[[Any, Config], bool]:
    return lambda _args, _config: os.environ.get(name, "").lower() in ("1", "true", "yes", "on")


LIMITS = (
    Limit(
        "--tokenizer-worker-num above 1",
        lambda a, _: a.tokenizer_worker_num > 1,
        "SGLang loads no plugins in those HTTP workers, so SLOs would be ignored there",
    ),
    Limit("SGLANG_RUST_SERVER", _env("SGLANG_RUST_SERVER"), "the Rust front end bypasses our SLO checks"),
    Limit(
        "SGLANG_ENABLE_REQUEST_DECOMPRESSION",
        _env("SGLANG_ENABLE_REQUEST_DECOMPRESSION"),
        "an SLO inside a compressed body could not be checked before the request is admitted",
    ),
    Limit(
        "gRPC serving",
        lambda a, _: a.grpc_mode or a.smg_grpc_mode or a.grpc_port is not None,
        "that front end bypasses our SLO checks",
    ),
    Limit("--use-ray", lambda a, _: a.use_ray, "Ray actors do not run our process checks"),
    Limit("--pp-size above 1", lambda a, _: a.pp_size > 1, "pipeline stages run another scheduling loop"),
    Limit(
        "--disaggregation-mode",
        lambda a, _: a.disaggregation_mode != "null",
        "prefill and decode servers run other scheduling loops",
    ),
    Limit("--enable-pdmux", lambda a, _: a.enable_pdmux, "it runs another scheduling loop"),
    Limit("--dllm-algorithm", lambda a, _: a.dllm_algorithm is not None, "it runs another scheduling loop"),
    Limit("--enable-dp-attention", lambda a, _: a.enable_dp_attention, "its ranks would have to agree on ticks"),
    Limit(
        "--speculative-algorithm",
        lambda a, _: a.speculative_algorithm is not None,
        "token times and slack are not defined for several tokens a step yet",
    ),
    Limit("--is-embedding", lambda a, _: a.is_embedding, "SLOs are promises about generated tokens"),
    Limit(
        "--schedule-policy other than fcfs",
        _rotating(lambda a: a.schedule_policy != "fcfs"),
        "the queue is in the order of slack; [rotation] enabled = false leaves it to SGLang",
    ),
    Limit(
        "--enable-priority-scheduling",
        _rotating(lambda a: a.enable_priority_scheduling),
        "importance comes from the SLO class; [rotation] enabled = false leaves the queue to SGLang",
    ),
    Limit(
        "--scheduler-recv-interval above 1",
        lambda a, _: a.scheduler_recv_interval > 1,
        "slack is computed on every pass and needs every arrival",
    ),
    Limit(
        "--disable-radix-cache",
        _rotating(lambda a: a.disable_radix_cache),
        "who makes room leaves its KV in the radix tree; [rotation] enabled = false lets everybody run to the end",
    ),
    Limit(
        "--chunked-prefill-size -1",
        _rotating(lambda a: a.chunked_prefill_size is not None and a.chunked_prefill_size <= 0),
        "prompts are computed in parts, beside the streams that decode",
    ),
    Limit(
        "--prefill-decode-interval",
        _rotating(lambda a: bool(a.prefill_decode_interval)),
        "it holds back prompts that the plan of the step computes",
    ),
    Limit(
        "--min-free-slots-delay",
        _rotating(lambda a: a.min_free_slots_delay is not None),
        "it holds back prompts that the plan of the step computes",
    ),
    Limit(
        "--enable-prefill-delayer",
        _rotating(lambda a: a.enable_prefill_delayer),
        "it holds back prompts that the plan of the step computes",
    ),
    Limit(
        "--enable-lora",
        _rotating(lambda a: bool(a.enable_lora or a.lora_paths)),
        "who waits for an adapter's slot is not planned for; [rotation] enabled = false leaves the queue to SGLang",
    ),
    Limit(
        "--hicache-storage-backend",
        _rotating(lambda a: a.hicache_storage_backend is not None),
        "what would come back from storage is not planned for; [rotation] enabled = false leaves it to SGLang",
    ),
    Limit(
        "[host] link_bytes_per_s on a GPU",
        lambda _, config: bool(config.host.link_rate) and platform.activate() != platform.CPU,
        "the link there is what it is; the setting is for tests on the CPU",
    ),
    Limit(
        "[cache] eviction with SGLang's arguments for another cache",
        lambda a, config: config.cache.eviction in ("learned", "lru") and choice.conflict(a) is not None,
        "one of --disable-radix-cache, --radix-cache-backend, --radix-eviction-policy, --enable-session-radix-cache, "
        "--enable-lmcache, --enable-flexkv, --enable-unified-cache-external-linker or --enable-kv-cache-sharding "
        'asks for a cache that only SGLang has; [cache] eviction = "sglang" leaves it to SGLang',
    ),
    Limit(
        "[cache] access_log with --dp-size above 1",
        lambda a, config: config.cache.access_log is not None and a.dp_size > 1,
        "the schedulers of a server cannot write one file",
    ),
    Limit(
        "--kv-budget without [rotation]",
        lambda _, config: config.kv.budget is not None and not config.rotation.enabled,
        "who has no native page is parked",
    ),
    Limit(
        "--kv-budget on CUDA",
        _mixed_kv(lambda a: a.device not in (None, "cpu")),
        "pages are sealed between the steps of a CPU engine",
    ),
    Limit(
        "--kv-budget with --max-total-tokens",
        _mixed_kv(lambda a: a.max_total_tokens is not None),
        "how many tokens fit depends on their formats",
    ),
    Limit(
        "--kv-budget with --page-size other than 32",
        _mixed_kv(lambda a: a.page_size not in (None, PAGE_TOKENS)),
        "that is what shares the scales of keys",
    ),
    Limit(
        "--kv-budget with another --attention-backend",
        _mixed_kv(lambda a: a.attention_backend not in (None, ATTENTION_BACKEND)),
        "it could not read sealed pages",
    ),
    Limit(
        "--kv-budget with a host tier and SGLang's cache",
        lambda a, config: config.kv.budget is not None and _has_tier(a, config) and not _our_cache(a, config),
        "only our cache knows which formats are on the host",
    ),
    Limit(
        "--kv-budget with --enable-memory-saver",
        _mixed_kv(lambda a: a.enable_memory_saver),
        "the memory is not SGLang's to take away",
    ),
    Limit(
        "[observe] events without [rotation]",
        lambda _, config: config.observe.events is not None and not config.rotation.enabled,
        "they tell what the rotating scheduler does",
    ),
    Limit(
        "[observe] events with --dp-size above 1",
        lambda a, config: config.observe.events is not None and a.dp_size > 1,
        "the schedulers of a server cannot publish at one address",
    ),
)


def check(server_args: Any, config: Config) -> None:
    """Refuse what is not supported.

    Args:
        server_args: SGLang's arguments.
        config: SuperInfer's configuration.

    Raises:
        UnsupportedError: The first limit that ``server_args`` or the environment run into.
    """
    for limit in LIMITS:
        if limit.asked(server_args, config):
            raise UnsupportedError(f"SuperInfer does not support {limit.mode}: {limit.why}.")
    _check_cache_files(config.cache)


def _check_cache_files(cache: CacheConfig) -> None:
    """What the scheduler would only find out after the model has been loaded."""
    if cache.model is not None:
        from superinfer.cache import model_file
        from superinfer.cache.errors import ModelFileError

        try:
            model_file.load(Path(cache.model))
        except ModelFileError as error:
            raise UnsupportedError(f"[cache] model cannot be used: {error}") from None
    if cache.access_log is not None and not os.access(Path(cache.access_log).absolute().parent, os.W_OK):
        raise UnsupportedError(f"[cache] access_log cannot be written: {cache.access_log} is in no writable directory.")


def check_cache(tree_cache: Any) -> None:
    """Refuse KV caches from which a parked request could not come back.

    Raises:
        UnsupportedError: The model has sliding windows or recurrent state.
    """
    if tree_cache.supports_swa() or tree_cache.supports_mamba():
        raise UnsupportedError(
            "SuperInfer does not support rotation for models with sliding windows or recurrent state: parked KV could "
            "not be found again; [rotation] enabled = false lets everybody run to the end."
        )
