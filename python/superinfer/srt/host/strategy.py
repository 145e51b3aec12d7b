"""How SGLang's tree gets its host tier on the CPU platform."""

from contextlib import AbstractContextManager
from typing import Any

import psutil
from sglang.srt.mem_cache.hicache_storage import PoolName
from sglang.srt.mem_cache.hybrid_cache import hybrid_pool_assembler as assembler
from sglang.srt.mem_cache.hybrid_cache.hybrid_cache_controller import HybridCacheController
from sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler import StackBuildResult, StackStrategy
from sglang.srt.mem_cache.memory_pool import MHATokenToKVPool
from sglang.srt.mem_cache.pool_host.base import host_memory_budget_scope
from sglang.srt.mem_cache.pool_host.group import HostPoolGroup
from sglang.srt.mem_cache.unified_cache.component_type import ComponentType
from sglang.srt.runtime_context import get_memory

from superinfer import config
from superinfer.srt.host import link
from superinfer.srt.host.pool import CpuKVPoolHost
from superinfer.srt.kv.host_controller import MixedCacheController
from superinfer.srt.kv.host_pool import MixedKVPoolHost
from superinfer.srt.kv.pool import MixedKVPool
from superinfer.srt.support import UnsupportedError

RESERVE_SHARE = 0.05
"""Part of the free memory that the tier leaves to others. SGLang leaves 10 GiB, which small hosts do not have."""


class CpuStackStrategy(StackStrategy):
    """Builds the host tier for pools in CPU memory; other pools are left to SGLang."""

    def matches(self, kvcache: Any, components: set[Any]) -> bool:
        """Whether ``kvcache`` is in CPU memory and the tree keeps nothing but full attention's KV."""
        return str(kvcache.device) == "cpu" and components == {ComponentType.FULL}

    def build(
        self, *, cache: Any, kvcache: Any, params: Any, server_args: Any, load_cache_event: Any, **storage: Any
    ) -> StackBuildResult:
        """The host's pool, and SGLang's controller over it, with SGLang's storage behind it if that is asked for.

        Raises:
            UnsupportedError: ``kvcache`` is not laid out as copies of rows expect, or as storage does.
            ValueError: The tier does not fit into the free memory, or is smaller than a page.
        """
        mixed = isinstance(kvcache, MixedKVPool)
        if type(kvcache) is not MHATokenToKVPool and not mixed:
            raise UnsupportedError(
                f"SuperInfer does not support a host tier for KV pools of type {type(kvcache).__name__} on the CPU: "
                "it copies plain keys and values."
            )
        if mixed and storage.get("storage_backend") is not None:
            raise UnsupportedError(
                "SuperInfer does not support --hicache-storage-backend with --kv-budget: storage keeps one format."
            )
        memory = get_memory()
        host_pool = _mixed_pool(kvcache, params) if mixed else _host_pool(kvcache, params.page_size)
        layers = {layer: layer for layer in range(kvcache.layer_num)}
        entry = assembler.build_pool_entry(
            name=PoolName.KV,
            host_pool=host_pool,
            device_pool=kvcache,
            layer_mapping=layers,
            transfer_layer_id_max=len(layers),
            is_anchor=True,
        )
        group = HostPoolGroup([entry])
        controller = (MixedCacheController if mixed else HybridCacheController)(
            params.token_to_kv_pool_allocator,
            group,
            params.page_size,
            params.tp_cache_group,
            load_cache_event=load_cache_event,
            attn_cp_group=params.attn_cp_cache_group,
            attn_tp_group=params.attn_tp_cache_group,
            pp_group=params.pp_cache_group,
            write_policy=memory.hicache_write_policy,
            io_backend=memory.hicache_io_backend,
            transfer_layer_id_max=len(layers),
            **storage,
        )
        settings = config.active()
        link.install(controller, (settings and settings.host.link_rate) or 0)
        return StackBuildResult(
            host_pool_group=group,
            cache_controller=controller,
            component_host_pools={ComponentType.FULL: host_pool},
            pools_desc="KV in CPU memory",
        )


def register() -> None:
    """Make SGLang ask our strategy first; once per process."""
    if not any(isinstance(strategy, CpuStackStrategy) for strategy in assembler._STRATEGIES):
        assembler.register_stack_strategy(CpuStackStrategy())


def _host_pool(kvcache: Any, page_tokens: int) -> CpuKVPoolHost:
    memory = get_memory()
    info = kvcache.get_device_pool_infos()[0].buffer_info
    with _free_memory():
        return CpuKVPoolHost(
            info,
            memory.hicache_ratio,
            memory.hicache_size,
            page_tokens,
            memory.hicache_mem_layout,
            pin_memory=False,
            device_capacity_tokens=kvcache.size,
            start_layer=kvcache.start_layer,
            end_layer=kvcache.end_layer,
        )


def _mixed_pool(kvcache: MixedKVPool, params: Any) -> MixedKVPoolHost:
    memory, settings = get_memory(), config.active()
    if memory.hicache_size > 0:
        exact = settings.host.tier_bytes if settings is not None else 0
        host_bytes = exact or int(memory.hicache_size * 1e9)
    else:
        host_bytes = int(memory.hicache_ratio * kvcache.regions.bytes)
    with _free_memory():
        return MixedKVPoolHost(kvcache, host_bytes, poisons=params.token_to_kv_pool_allocator.debug_mode)


def _free_memory() -> AbstractContextManager[None]:
    """What host pools may take."""
    return host_memory_budget_scope(int(psutil.virtual_memory().available * (1 - RESERVE_SHARE)))
