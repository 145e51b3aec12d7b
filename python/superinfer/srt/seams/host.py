"""The host tier."""

from superinfer.srt.seams.seam import MANAGERS, Seam, members

SEAMS: tuple[Seam, ...] = (
    *members(
        f"{MANAGERS}.scheduler.Scheduler",
        {"flush_cache": "self empty_cache"},
    ),
    *members(
        f"{MANAGERS}.cache_controller.LayerLoadingEvent",
        {"__init__": "self num_layers", "wait": "self layer_index"},
    ),
    *members(f"{MANAGERS}.cache_controller.HiCacheController", {"start_loading": "self", "start_writing": "self"}),
    Seam("sglang.srt.mem_cache.hicache_storage.PoolName.KV"),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_cache_controller.HybridCacheController"),
    *members(
        "sglang.srt.mem_cache.hybrid_cache.hybrid_cache_controller.HybridCacheController",
        {
            "__init__": "self token_to_kv_pool_allocator mem_pool_host page_size tp_group load_cache_event"
            " attn_cp_group attn_tp_group pp_group write_policy io_backend storage_backend prefetch_threshold"
            " model_name storage_backend_extra_config transfer_layer_id_max enable_storage_metrics host_memory_mode",
            "_transfer_num_bytes": "self op",
            "allocate_host_transfers": "self device_indices extra_pools reclaim start_owner",
            "load": "self host_indices priority node_id extra_pools device_indices anchor_indices",
        },
    ),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler"),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler._STRATEGIES"),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler.StackBuildResult"),
    *members(
        "sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler",
        {
            "build_pool_entry": "name host_pool device_pool layer_mapping transfer_layer_id_max is_anchor host_evict_fn"
            " device_evict_fn device_alloc_fn device_free_fn packed_draft_device_pools",
            "register_stack_strategy": "strategy",
        },
    ),
    *members(
        "sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler.StackStrategy",
        {
            "build": "self cache kvcache params server_args load_cache_event storage_backend"
            " storage_backend_extra_config prefetch_threshold model_name enable_storage_metrics",
            "matches": "self kvcache components",
        },
    ),
    *members(
        "sglang.srt.mem_cache.l2_transfer.L2TransferEngine",
        {
            "__init__": "self io_backend",
            "submit_device_to_host": "self transfers",
            "submit_host_to_device": "self transfers transfer_layer_id_max start_event on_layer_done",
        },
    ),
    Seam("sglang.srt.mem_cache.l2_transfer.L2Transfer"),
    Seam("sglang.srt.mem_cache.l2_transfer.TransferCompletion"),
    Seam("sglang.srt.mem_cache.common.match_kv_cache", "req tree_cache token_ids cow_mamba max_prefix_len"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.supports_fast_match_prefix", "self"),
    Seam("sglang.srt.mem_cache.memory_pool.MHATokenToKVPool.get_device_pool_infos", "self"),
    Seam("sglang.srt.mem_cache.pool_host.base.host_memory_budget_scope", "budget_bytes"),
    Seam("sglang.srt.mem_cache.pool_host.group.HostPoolGroup"),
    *members(
        "sglang.srt.mem_cache.pool_host.base.HostKVCache",
        {
            "__init__": "self dtype device_capacity_tokens size_per_token start_layer end_layer host_to_device_ratio"
            " host_size page_size layout pin_memory device allocator_type dcp_size dcp_rank pool_label is_dummy"
            " host_token_capacity",
            "alloc": "self need_size",
            "available_size": "self",
            "backup_from_device_all_layer": "self device_pool host_indices device_indices io_backend",
            "clear": "self",
            "free": "self indices",
            "get_data_page": "self index flat",
            "get_dummy_flat_data_page": "self",
            "get_size_per_token": "self",
            "init_kv_buffer": "self",
            "load_to_device_per_layer": "self device_pool host_indices device_indices layer_id io_backend is_draft",
            "set_from_flat_data_page": "self index data_page",
        },
    ),
    *members(
        "sglang.srt.mem_cache.pool_host.mha.MHATokenToKVPoolHost",
        {
            "__init__": "self buffer_info host_to_device_ratio host_size page_size layout pin_memory device"
            " allocator_type device_capacity_tokens start_layer end_layer draft_buffer_infos write_back_staging"
            " pool_label head_group_num host_token_capacity",
            "available_size": "self",
            "backup_from_device_all_layer": "self device_pool host_indices device_indices io_backend",
            "load_to_device_per_layer": "self device_pool host_indices device_indices layer_id io_backend is_draft",
        },
    ),
    Seam("sglang.srt.mem_cache.unified_cache.component_type.ComponentType.FULL"),
    *members(
        "sglang.srt.mem_cache.unified_radix_cache.UnifiedRadixCache",
        {
            "check_hicache_events": "self",
            "flush_pending_backups": "self",
            "load_back": "self node_id mem_quota req",
            "lock": "self node_id skip_lock_components",
            "protected_size": "self",
            "ready_to_load_host_cache": "self",
            "unlock": "self lock",
            "writing_check": "self write_back finish_count",
        },
    ),
    Seam("sglang.srt.runtime_context.get_memory", ""),
)
