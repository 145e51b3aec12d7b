"""Plugins and platforms."""

from superinfer.srt.seams.seam import Seam, members

SEAMS: tuple[Seam, ...] = (
    Seam("sglang.version.__version__"),
    Seam("sglang.srt.plugins.load_plugins", ""),
    Seam("sglang.srt.plugins.hook_registry.HookRegistry.apply_hooks", ""),
    Seam("sglang.srt.plugins.hook_registry.HookRegistry.register", "target hook hook_type source"),
    Seam("sglang.srt.plugins.hook_registry.HookType.REPLACE"),
    Seam("sglang.srt.plugins.hook_registry.HookSource"),
    Seam("sglang.srt.entrypoints.engine.mp"),
    Seam("sglang.srt.platforms.current_platform"),
    Seam("sglang.srt.platforms.device_mixin.PlatformEnum.OOT"),
    Seam("sglang.srt.platforms.cuda.CudaSRTPlatform"),
    *members(
        "sglang.srt.platforms.interface.SRTPlatform",
        {
            "apply_server_args_defaults": "self server_args",
            "get_available_memory": "self device_id",
            "get_compile_backend": "self mode",
            "get_current_memory_usage": "self device",
            "get_default_attention_backend": "self",
            "get_device": "self device_id",
            "get_device_capability": "self device_id",
            "get_device_name": "self device_id",
            "get_device_total_memory": "self device_id",
            "get_dispatch_key_name": "self",
            "init_backend": "self",
            "post_load_model": "self model",
            "get_device_uuid": "self device_id",
            "get_kv_pool_cls": "self kind",
            "get_paged_allocator_cls": "self",
            "get_torch_profiler_activity": "self",
            "get_torch_profiler_activity_str": "self",
            "set_device": "self device",
        },
    ),
)
