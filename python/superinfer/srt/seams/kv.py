"""KV memory of several formats."""

from superinfer.srt.seams.seam import Seam, members

SEAMS: tuple[Seam, ...] = (
    Seam("sglang.srt.layers.radix_attention.RadixAttention"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.checkpoint", "self req up_to **kwargs"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.evict", "self params"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.EvictParams"),
    *members(
        "sglang.srt.mem_cache.memory_pool.MHATokenToKVPool",
        {"_create_buffers": "self", "_init_data_ptrs_and_strides": "self", "get_kv_size_bytes": "self"},
    ),
    *members(
        "sglang.srt.mem_cache.allocator.paged.PagedTokenToKVPoolAllocator",
        {
            "__init__": "self size page_size dtype device kvcache need_sort",
            "_release_page_ids": "self *page_ids",
            "alloc": "self need_size",
            "alloc_decode": "self seq_lens seq_lens_cpu last_loc",
            "alloc_extend": "self prefix_lens prefix_lens_cpu seq_lens seq_lens_cpu last_loc extend_num_tokens"
            " num_new_pages",
            "available_size": "self",
            "check_decode_capacity": "self num_tokens tree_cache requests spec_algorithm",
            "clear": "self",
            "create_prefill_budget": "self tree_cache num_mixed_decode_tokens",
            "evict_to_free_tokens": "self tree_cache num_tokens",
            "free_group_begin": "self",
            "free_group_end": "self",
            "get_all_free_pages": "self",
            "get_extend_allocation_demand": "self prefix_lens_cpu seq_lens_cpu conservative_num_tokens shard_size",
            "get_kvcache": "self",
            "max_new_tokens_for_memory": "self input_tokens max_new_tokens token_capacity sliding_window_size"
            " chunk_size",
            "merge_and_sort_free": "self",
        },
    ),
    *members(
        "sglang.srt.mem_cache.prefill_budget.PrefillBudget",
        {
            "__init__": "self allocator tree_cache num_mixed_decode_tokens",
            "_available_and_evictable": "self",
            "available_chunk_tokens": "self chunk_limit",
            "check_prefill": "self extend_input_len total_tokens max_new_tokens input_tokens swa_host_hit_length"
            " chunk_limit auxiliary_swa_host_hit_length",
        },
    ),
    *members(
        "sglang.srt.model_executor.pool_configurator.DefaultPoolConfigurator",
        {
            "__init__": "self kvc",
            "calculate_pool_sizes": "self available_bytes page_size",
            "calculate_pool_sizes_from_max_tokens": "self max_total_num_tokens page_size",
        },
    ),
    Seam("sglang.srt.model_executor.pool_configurator.MemoryPoolConfig"),
    Seam("sglang.srt.environ.envs.SGLANG_UNIFIED_RADIX_TREE_CORE_BACKEND"),
    Seam("sglang.srt.mem_cache.unified_cache.component_type.BASE_COMPONENT_TYPE"),
    Seam("sglang.srt.mem_cache.unified_cache.unified_tree_core.UnifiedTreeCore"),
    Seam("sglang.srt.mem_cache.unified_radix_cache.UnifiedRadixCache._evict_device_leaf", "self node_id tracker"),
    Seam("sglang.srt.utils.get_num_new_pages", "seq_lens page_size prefix_lens decode"),
)
