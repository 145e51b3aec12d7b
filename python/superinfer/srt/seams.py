"""Every symbol of SGLang that SuperInfer uses, and the shape it was written against.

An upgrade of SGLang starts here: ``test/integration/test_seams.py`` compares each entry with the installed version and
fails by name, and it fails when a symbol is used that is not listed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seam:
    """A function, method, class or value that is imported, called or overridden.

    Attributes:
        path: Dotted path.
        parameters: Parameter names in order, for what is callable and not a class; ``None`` if it only has to exist.
    """

    path: str
    parameters: str | None = None


def _members(owner: str, members: dict[str, str]) -> tuple[Seam, ...]:
    return tuple(Seam(f"{owner}.{name}", parameters) for name, parameters in members.items())


_MANAGERS = "sglang.srt.managers"
_COMPONENTS = "sglang.srt.managers.scheduler_components"
_PROCESS = "server_args port_args gpu_id tp_rank pp_rank dp_rank pipe_writer display_tp_rank display_dp_rank"

SEAMS: tuple[Seam, ...] = (
    # Plugins and platforms
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
    *_members(
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
    # CPU engine
    Seam("sglang.kernels.fused_op.BaseFusedOp.register_oot_forward", "op_cls fn platform_key"),
    Seam("sglang.srt.arg_groups.choices.ATTENTION_BACKEND_CHOICES"),
    Seam("sglang.srt.arg_groups.choices.add_attention_backend_choices"),
    Seam("sglang.srt.arg_groups.model_override_base.resolving_view", "server_args"),
    Seam("sglang.srt.arg_groups.overrides.declare_resolution", "server_args source **fields"),
    Seam("sglang.srt.arg_groups.resolution_hooks.register_resolution_hook", "name"),
    Seam("sglang.srt.layers.activation.SiluAndMul.forward_native", "self x"),
    Seam(
        "sglang.srt.layers.layernorm.RMSNorm.forward_native",
        "self x residual post_residual_addition quant_linear",
    ),
    Seam(
        "sglang.srt.layers.rotary_embedding.base.RotaryEmbedding.forward_native",
        "self positions query key offsets fused_set_kv_buffer_arg",
    ),
    Seam("sglang.srt.layers.rotary_embedding.base.RotaryEmbedding.cos_sin_cache_as", "self dtype"),
    Seam("sglang.srt.layers.attention.attention_registry.register_attention_backend", "name"),
    *_members(
        "sglang.srt.layers.attention.torch_native_backend.TorchNativeAttnBackend",
        {
            "__init__": "self model_runner",
            "forward_decode": "self q k v layer forward_batch save_kv_cache",
            "forward_extend": "self q k v layer forward_batch save_kv_cache",
            "init_forward_metadata": "self forward_batch",
        },
    ),
    Seam("sglang.srt.layers.radix_attention.AttentionType.DECODER"),
    Seam("sglang.srt.layers.linear.LinearBase"),
    Seam("sglang.srt.layers.quantization.unquant.UnquantizedLinearMethod.apply", "self layer x bias"),
    Seam("sglang.srt.layers.quantization.unquant.UnquantizedEmbeddingMethod.apply", "self layer x bias"),
    Seam("sglang.srt.layers.quantization.unquant.UnquantizedEmbeddingMethod.embedding", "self layer input_"),
    Seam("sglang.srt.layers.rotary_embedding.rope_variant.Llama3RotaryEmbedding"),
    Seam("sglang.srt.model_executor.forward_context.get_attn_backend", ""),
    Seam("sglang.srt.models.llama.LlamaDecoderLayer"),
    Seam(
        "sglang.srt.models.llama.LlamaModel.forward",
        "self input_ids positions forward_batch input_embeds pp_proxy_tensors",
    ),
    Seam("sglang.srt.models.qwen2.Qwen2DecoderLayer"),
    Seam(
        "sglang.srt.models.qwen2.Qwen2Model.forward",
        "self input_ids positions forward_batch input_embeds pp_proxy_tensors",
    ),
    *(
        Seam(f"{_MANAGERS}.io_struct.{name}Output")
        for name in (
            "UpdateWeightFromDiskReq",
            "UpdateWeightsFromDistributedReq",
            "UpdateWeightsFromIPCReq",
            "UpdateWeightsFromTensorReq",
        )
    ),
    *_members(
        f"{_COMPONENTS}.weight_updater.SchedulerWeightUpdaterManager",
        {f"update_weights_from_{source}": "self recv_req" for source in ("disk", "distributed", "ipc", "tensor")},
    ),
    Seam("sglang.srt.runtime_context.get_lora", ""),
    Seam("sglang.srt.runtime_context.get_parallel", ""),
    Seam("sglang.srt.runtime_context.get_schedule", ""),
    Seam("sglang.srt.layers.vocab_parallel_embedding.VocabParallelEmbedding"),
    Seam("sglang.srt.mem_cache.memory_pool.MHATokenToKVPool.get_key_buffer", "self layer_id"),
    Seam("sglang.srt.mem_cache.memory_pool.MHATokenToKVPool.get_value_buffer", "self layer_id"),
    # KV memory of several formats
    Seam("sglang.srt.layers.radix_attention.RadixAttention"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.checkpoint", "self req up_to **kwargs"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.evict", "self params"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.EvictParams"),
    *_members(
        "sglang.srt.mem_cache.memory_pool.MHATokenToKVPool",
        {"_create_buffers": "self", "_init_data_ptrs_and_strides": "self", "get_kv_size_bytes": "self"},
    ),
    *_members(
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
            "get_all_free_pages": "self",
            "get_extend_allocation_demand": "self prefix_lens_cpu seq_lens_cpu conservative_num_tokens shard_size",
            "get_kvcache": "self",
            "max_new_tokens_for_memory": "self input_tokens max_new_tokens token_capacity sliding_window_size"
            " chunk_size",
            "merge_and_sort_free": "self",
        },
    ),
    *_members(
        "sglang.srt.mem_cache.prefill_budget.PrefillBudget",
        {
            "__init__": "self allocator tree_cache num_mixed_decode_tokens",
            "_available_and_evictable": "self",
            "available_chunk_tokens": "self chunk_limit",
            "check_prefill": "self extend_input_len total_tokens max_new_tokens input_tokens swa_host_hit_length"
            " chunk_limit auxiliary_swa_host_hit_length",
        },
    ),
    *_members(
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
    # Scheduler process
    Seam(f"{_MANAGERS}.scheduler.run_scheduler_process", f"{_PROCESS} display_moe_ep_rank"),
    *_members(
        f"{_MANAGERS}.scheduler.Scheduler",
        {
            "__init__": "self server_args port_args",
            "_abort_on_queued_limit": "self recv_req",
            "_release_aborted_request": "self req",
            "_add_request_to_queue": "self req is_retracted",
            "_create_generation_req": "self recv_req *args **kwargs",
            "_poll_timeout_aborts": "self",
            "_reqs_finishing_inflight": "self batch",
            "get_init_info": "self",
            "get_new_batch_prefill": "self running_batch",
            "get_next_batch_to_run": "self running_batch last_batch",
            "get_num_allocatable_reqs": "self running_bs beam_width running_batch num_held_rows",
            "get_output_streamer_class": "self",
            "get_prefill_adder_class": "self",
            "init_internal_state": "self",
            "init_metrics_reporter": "self",
            "init_req_max_new_tokens": "self req",
            "init_schedule_policy": "self",
            "init_weight_updater": "self",
            "process_input_requests": "self recv_reqs",
            "run_batch": "self batch pp_proxy_tensors",
            "send_abort_output": "self abort_req req",
        },
    ),
    Seam(f"{_MANAGERS}.scheduler.NextBatchPlan"),
    Seam(f"{_MANAGERS}.io_struct.AbortReq"),
    Seam("sglang.srt.beam_search.coordinator.BeamCoordinator.retire_group", "self req"),
    Seam("sglang.srt.constrained.grammar_manager.GrammarManager.has_waiting_grammars", "self"),
    Seam("sglang.srt.constrained.grammar_manager.GrammarManager.get_ready_grammar_requests", "self"),
    Seam("sglang.srt.mem_cache.common.match_kv_cache", "req tree_cache token_ids cow_mamba max_prefix_len"),
    Seam("sglang.srt.mem_cache.common.release_kv_cache", "req tree_cache checkpoint"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.evictable_size", "self"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.supports_fast_match_prefix", "self"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.supports_mamba", "self"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.supports_swa", "self"),
    Seam("sglang.srt.mem_cache.allocator.base.BaseTokenToKVPoolAllocator.available_size", "self"),
    Seam(f"{_MANAGERS}.schedule_batch.Req.finished", "self"),
    Seam(f"{_MANAGERS}.schedule_batch.Req.reset_for_retract", "self"),
    Seam(f"{_MANAGERS}.schedule_batch.ScheduleBatch.filter_batch", "self reqs_to_exclude keep_indices"),
    Seam("sglang.srt.observability.req_time_stats.SchedulerReqTimeStats.set_retract_time", "self ts"),
    Seam("sglang.srt.observability.req_time_stats.SchedulerReqTimeStats.set_wait_queue_entry_time", "self ts"),
    Seam(f"{_MANAGERS}.schedule_batch.FINISH_ABORT"),
    *_members(
        f"{_MANAGERS}.schedule_policy.SchedulePolicy",
        {
            "__init__": "self policy tree_cache enable_hierarchical_cache enable_priority_scheduling"
            " schedule_low_priority_values_first",
            "calc_priority": "self waiting_queue running_batch processed_tokens",
            "shortest_prefill_chunk_limit": "self chunked_req waiting_queue budget page_size",
        },
    ),
    *_members(
        f"{_MANAGERS}.schedule_policy.PrefillAdder",
        {
            "__init__": "self page_size tree_cache token_to_kv_pool_allocator running_batch new_token_ratio"
            " rem_input_tokens rem_chunk_tokens num_mixed_decode_tokens priority_scheduling_preemption_threshold"
            " max_prefill_bs max_running_requests prefill_max_requests prefill_delayer_single_pass dllm_config"
            " waiting_queue_len prefill_tile_block_m",
            "_get_running_request_total_token_offset": "self req",
            "add_chunked_req": "self req",
            "add_one_req": "self req has_chunked_req truncation_align_size",
        },
    ),
    Seam(f"{_MANAGERS}.schedule_policy.CLIP_MAX_NEW_TOKENS"),
    Seam(f"{_MANAGERS}.schedule_policy.AddReqResult.CONTINUE"),
    Seam(f"{_MANAGERS}.schedule_policy.AddReqResult.NO_TOKEN"),
    Seam(f"{_MANAGERS}.schedule_policy.AddReqResult.OTHER"),
    *_members(
        f"{_COMPONENTS}.output_streamer.SchedulerOutputStreamer",
        {
            "stream_output": "self reqs return_logprob skip_req",
            "build_additional_customized_info": "self reqs",
        },
    ),
    Seam(f"{_COMPONENTS}.output_streamer.SchedulerOutputStreamer.has_additional_customized_info"),
    *_members(
        f"{_COMPONENTS}.internal_state.SchedulerInternalStateController",
        {"__init__": "self scheduler record_step_time", "get_internal_state": "self recv_req"},
    ),
    # Radix cache
    Seam("sglang.srt.mem_cache.registry.create_unified_radix_cache", "ctx cache_class"),
    Seam("sglang.srt.mem_cache.registry.default_radix_cache_factory", "ctx"),
    Seam("sglang.srt.mem_cache.registry.get_radix_cache_factory", "name"),
    Seam("sglang.srt.mem_cache.registry.register_radix_cache_backend", "name factory"),
    Seam("sglang.srt.mem_cache.unified_cache.tree_core_registry.register_tree_core_backend", "name factory"),
    Seam("sglang.srt.mem_cache.unified_cache.component_type.ComponentType.FULL"),
    Seam("sglang.srt.mem_cache.unified_cache.components.base.ComponentType.FULL"),
    Seam("sglang.srt.mem_cache.unified_cache.components.base.CacheTransferPhase.BACKUP_HOST"),
    Seam("sglang.srt.mem_cache.unified_cache.components.base.EvictLayer.DEVICE"),
    Seam("sglang.srt.mem_cache.unified_cache.unified_tree_core_interface.BaseEvictionResult"),
    Seam("sglang.srt.disaggregation.kv_events.StorageMedium.CPU"),
    *_members(
        "sglang.srt.mem_cache.unified_radix_cache.UnifiedRadixCache",
        {
            "__init__": "self params",
            "_all_reduce": "self data tp_reduce_op",
            "_apply_eviction_result": "self result",
            "_demote": "self node_id tracker",
            "_drop_subtree_no_host": "self node_id tracker",
            "_finish_write_through_ack": "self ack_id",
            "checkpoint_into_tree": "self req up_to **kwargs",
            "dec_host_lock_ref": "self node_id params",
            "dec_lock_ref": "self node_id params skip_swa",
            "lock": "self node_id skip_lock_components",
            "match_prefix": "self params",
            "reset": "self",
            "unlock": "self lock",
        },
    ),
    *_members(
        "sglang.srt.mem_cache.unified_cache.unified_tree_core.UnifiedTreeCore",
        {
            "__init__": "self params components",
            "_add_new_node": "self parent key value priority session_id rotation_base",
            "_evict_host_leaf": "self node tracker device_frees host_frees cache_actions",
            "_release_all_component_layers": "self node medium tracker device_frees host_frees cache_actions",
            "_release_full_host_duplicate": "self node tracker device_frees host_frees cache_actions",
            "_remove_leaf_from_parent": "self node",
            "_update_evictable_leaf_sets": "self node",
            "_finish_insert_walk_node": "self state node prefix_len",
            "_split_node": "self key child split_len",
            "_unevict_node_on_insert": "self node fresh_value session_id",
            "_unregister_node": "self node",
            "evict_device_leaf": "self node_id is_write_back",
            "finish_load_back": "self anchor_node_id",
            "is_backuped": "self node_id",
            "node_by_id": "self node_id",
            "reset": "self",
            "supports_fast_match_prefix": "self",
        },
    ),
    *_members(
        "sglang.srt.mem_cache.unified_cache.components.full.FullComponent",
        {
            "_evict_device_end": "self",
            "_evict_device_next_node": "self tracker device_frees host_frees cache_actions",
            "_evict_device_start": "self request_cnt",
            "commit_hicache_transfer": "self node phase transfers cache_actions insert_result pool_storage_result",
            "drive_host_eviction": "self num_tokens tracker device_frees host_frees cache_actions",
            "evict_component": "self node device_frees host_frees cache_actions target",
        },
    ),
    Seam(f"{_MANAGERS}.io_struct.GetInternalStateReq"),
    # Detokenizer process
    Seam(f"{_MANAGERS}.detokenizer_manager.run_detokenizer_process", "server_args port_args detokenizer_manager_class"),
    # Sampling
    *_members(
        "sglang.srt.layers.sampler.Sampler",
        {
            "forward": "self logits_output sampling_info return_logprob top_logprobs_nums token_ids_logprobs positions"
            " logprob_logits",
            "_preprocess_logits": "self logits sampling_info",
            "_sync_token_ids_across_tp": "self batch_next_token_ids sampling_info",
        },
    ),
    Seam("sglang.srt.layers.sampler.register_sampler_backend", "backend factory"),
    # Server process
    Seam("sglang.srt.entrypoints.engine.init_tokenizer_manager", "server_args port_args TokenizerManagerClass"),
    *_members(
        f"{_MANAGERS}.tokenizer_manager.TokenizerManager",
        {
            "__init__": "self server_args port_args start_pd_bootstrap_service",
            "generate_request": "self obj request",
            "_handle_abort_finish_reason": "self out state is_stream",
            "get_internal_state": "self",
            "update_request_meta_info": "self meta_info state customized_info index finish_reason",
        },
    ),
    Seam(f"{_MANAGERS}.io_struct.GenerateReqInput"),
    *_members(
        "sglang.srt.entrypoints.engine.Engine",
        {
            "__init__": "self **kwargs",
            "init_tokenizer_manager_func": "server_args port_args TokenizerManagerClass",
            "run_detokenizer_process_func": "server_args port_args detokenizer_manager_class",
            "run_scheduler_process_func": f"{_PROCESS} display_moe_ep_rank",
        },
    ),
    Seam("sglang.srt.entrypoints.engine.Engine.server_args_class"),
    Seam("sglang.srt.entrypoints.http_server.app"),
    Seam("sglang.srt.entrypoints.http_server.get_global_state", ""),
    Seam(
        "sglang.srt.entrypoints.http_server.launch_server",
        "server_args init_tokenizer_manager_func run_scheduler_process_func run_detokenizer_process_func"
        " execute_warmup_func launch_callback",
    ),
    Seam("sglang.srt.server_args.prepare_server_args", "argv"),
    Seam("sglang.srt.server_args.ServerArgs.add_cli_args", "parser"),
    Seam("sglang.srt.utils.kill_process_tree", "parent_pid include_parent skip_pid wait_timeout"),
)

SEAMS += (
    # Host tier
    *_members(
        f"{_MANAGERS}.scheduler.Scheduler",
        {"flush_cache": "self empty_cache"},
    ),
    *_members(
        f"{_MANAGERS}.cache_controller.LayerLoadingEvent",
        {"__init__": "self num_layers", "wait": "self layer_index"},
    ),
    *_members(f"{_MANAGERS}.cache_controller.HiCacheController", {"start_loading": "self", "start_writing": "self"}),
    Seam("sglang.srt.mem_cache.hicache_storage.PoolName.KV"),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_cache_controller.HybridCacheController"),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler"),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler._STRATEGIES"),
    Seam("sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler.StackBuildResult"),
    *_members(
        "sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler",
        {
            "build_pool_entry": "name host_pool device_pool layer_mapping transfer_layer_id_max is_anchor host_evict_fn"
            " device_evict_fn device_alloc_fn device_free_fn packed_draft_device_pools",
            "register_stack_strategy": "strategy",
        },
    ),
    *_members(
        "sglang.srt.mem_cache.hybrid_cache.hybrid_pool_assembler.StackStrategy",
        {
            "build": "self cache kvcache params server_args load_cache_event storage_backend"
            " storage_backend_extra_config prefetch_threshold model_name enable_storage_metrics",
            "matches": "self kvcache components",
        },
    ),
    *_members(
        "sglang.srt.mem_cache.l2_transfer.L2TransferEngine",
        {
            "__init__": "self io_backend",
            "submit_device_to_host": "self transfers",
            "submit_host_to_device": "self transfers transfer_layer_id_max start_event on_layer_done",
        },
    ),
    Seam("sglang.srt.mem_cache.l2_transfer.TransferCompletion"),
    Seam("sglang.srt.mem_cache.common.match_kv_cache", "req tree_cache token_ids cow_mamba max_prefix_len"),
    Seam("sglang.srt.mem_cache.base_prefix_cache.BasePrefixCache.supports_fast_match_prefix", "self"),
    Seam("sglang.srt.mem_cache.memory_pool.MHATokenToKVPool.get_device_pool_infos", "self"),
    Seam("sglang.srt.mem_cache.pool_host.base.host_memory_budget_scope", "budget_bytes"),
    Seam("sglang.srt.mem_cache.pool_host.group.HostPoolGroup"),
    *_members(
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
    *_members(
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

SEAMS += (
    # Frontend: superinfer.lang
    Seam("sglang.lang.api"),
    Seam("sglang.lang.backend.base_backend.BaseBackend"),
    Seam("sglang.lang.backend.openai.OpenAI"),
    Seam(
        "sglang.lang.backend.openai.OpenAI.__init__",
        "self model_name is_chat_model chat_template is_azure *args **kwargs",
    ),
    Seam("sglang.lang.backend.openai.TokenUsage"),
    Seam("sglang.lang.backend.openai.create_logit_bias_int", "tokenizer"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint"),
    Seam(
        "sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.__init__",
        "self base_url api_key verify chat_template_name",
    ),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint._generate_http_request", "self s data"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.begin_program", "self s"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.cache_prefix", "self prefix_str"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.commit_lazy_operations", "self s"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.fill_image", "self s"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.flush_cache", "self"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.generate", "self s sampling_params"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.generate_stream", "self s sampling_params"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.get_model_name", "self"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.get_server_info", "self"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.select", "self s choices temperature choices_method"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.shutdown", "self"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.start_profile", "self"),
    Seam("sglang.lang.backend.runtime_endpoint.RuntimeEndpoint.stop_profile", "self"),
    Seam("sglang.lang.chat_template.ChatTemplate"),
    Seam("sglang.lang.chat_template.get_chat_template", "name"),
    Seam("sglang.lang.chat_template.get_chat_template_by_model_path", "model_path"),
    Seam("sglang.lang.choices.ChoicesDecision"),
    Seam("sglang.lang.choices.ChoicesSamplingMethod"),
    Seam("sglang.lang.global_config.global_config"),
    Seam("sglang.lang.interpreter.ProgramState"),
    Seam("sglang.lang.interpreter.ProgramState.__init__", "self stream_executor"),
    Seam("sglang.lang.interpreter.ProgramState.copy", "self position_ids_offset"),
    Seam("sglang.lang.interpreter.ProgramState.fork", "self size position_ids_offset"),
    Seam("sglang.lang.interpreter.ProgramState.text_async_iter", "self var_name return_meta_data"),
    Seam("sglang.lang.interpreter.ProgramState.text_iter", "self var_name"),
    Seam("sglang.lang.interpreter.ProgramStateGroup"),
    Seam("sglang.lang.interpreter.StreamExecutor"),
    Seam(
        "sglang.lang.interpreter.StreamExecutor.__init__",
        "self backend arguments default_sampling_para chat_template stream num_api_spec_tokens use_thread",
    ),
    Seam("sglang.lang.interpreter.StreamExecutor._execute_concatenate_and_append_kv_cache", "self expr"),
    Seam("sglang.lang.interpreter.StreamExecutor._execute_gen", "self expr"),
    Seam("sglang.lang.interpreter.StreamExecutor._execute_select", "self expr"),
    Seam("sglang.lang.interpreter.StreamExecutor._resolve_sampling_params", "self sampling_params"),
    Seam("sglang.lang.interpreter.StreamExecutor.end", "self"),
    Seam("sglang.lang.interpreter.StreamExecutor.error", "self"),
    Seam("sglang.lang.interpreter.StreamExecutor.fork", "self size position_ids_offset"),
    Seam("sglang.lang.interpreter.StreamExecutor.get_meta_info", "self name timeout"),
    Seam("sglang.lang.interpreter.StreamExecutor.get_var", "self name"),
    Seam("sglang.lang.interpreter.StreamExecutor.submit", "self expr"),
    Seam("sglang.lang.interpreter.StreamExecutor.sync", "self"),
    Seam("sglang.lang.ir.SglArgument"),
    Seam("sglang.lang.ir.SglCommitLazy"),
    Seam("sglang.lang.ir.SglConcateAndAppend"),
    Seam("sglang.lang.ir.SglConstantText"),
    Seam("sglang.lang.ir.SglExpr"),
    Seam("sglang.lang.ir.SglFork"),
    Seam("sglang.lang.ir.SglGetForkItem"),
    Seam("sglang.lang.ir.SglSamplingParams"),
    Seam("sglang.lang.tracer.StopTracing"),
    Seam("sglang.lang.tracer.TracerProgramState"),
    Seam("sglang.lang.tracer.TracerProgramState.fork", "self size position_ids_offset"),
)
