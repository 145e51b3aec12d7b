"""The radix cache."""

from superinfer.srt.seams.seam import MANAGERS, Seam, members

SEAMS: tuple[Seam, ...] = (
    Seam("sglang.srt.mem_cache.registry.create_unified_radix_cache", "ctx cache_class"),
    Seam("sglang.srt.mem_cache.registry.default_radix_cache_factory", "ctx"),
    Seam("sglang.srt.mem_cache.registry.get_radix_cache_factory", "name"),
    Seam("sglang.srt.mem_cache.registry.register_radix_cache_backend", "name factory"),
    Seam("sglang.srt.mem_cache.unified_cache.tree_core_registry.register_tree_core_backend", "name factory"),
    Seam("sglang.srt.mem_cache.unified_cache.component_type.ComponentType.FULL"),
    Seam("sglang.srt.mem_cache.unified_cache.components.base.ComponentType.FULL"),
    Seam("sglang.srt.mem_cache.unified_cache.components.base.EvictLayer.DEVICE"),
    *members(
        "sglang.srt.mem_cache.unified_radix_cache.UnifiedRadixCache",
        {
            "__init__": "self params",
            "checkpoint_into_tree": "self req up_to **kwargs",
            "lock": "self node_id skip_lock_components",
            "match_prefix": "self params",
            "reset": "self",
            "unlock": "self lock",
        },
    ),
    *members(
        "sglang.srt.mem_cache.unified_cache.unified_tree_core.UnifiedTreeCore",
        {
            "__init__": "self params components",
            "_add_new_node": "self parent key value priority session_id rotation_base",
            "_finish_insert_walk_node": "self state node prefix_len",
            "_split_node": "self key child split_len",
            "_unevict_node_on_insert": "self node fresh_value session_id",
            "_unregister_node": "self node",
            "evict_device_leaf": "self node_id is_write_back",
            "node_by_id": "self node_id",
            "reset": "self",
            "supports_fast_match_prefix": "self",
        },
    ),
    *members(
        "sglang.srt.mem_cache.unified_cache.components.full.FullComponent",
        {
            "_evict_device_end": "self",
            "_evict_device_next_node": "self tracker device_frees host_frees cache_actions",
            "_evict_device_start": "self request_cnt",
            "commit_hicache_transfer": "self node phase transfers cache_actions insert_result pool_storage_result",
            "evict_component": "self node device_frees host_frees cache_actions target",
        },
    ),
    Seam(f"{MANAGERS}.io_struct.GetInternalStateReq"),
)
