"""Every attribute of SGLang's objects that SuperInfer reads or sets: the second half of ``seams``."""

from dataclasses import dataclass

_MANAGERS = "sglang.srt.managers"
_COMPONENTS = "sglang.srt.managers.scheduler_components"


@dataclass(frozen=True, slots=True)
class Reads:
    """Attributes of an object that are read or set; ``names`` is space-separated."""

    path: str
    names: str


READS: tuple[Reads, ...] = (
    Reads(
        f"{_MANAGERS}.scheduler.Scheduler",
        "_sched_idled beam_coordinator chunked_prefill_size chunked_req enable_hierarchical_cache"
        " enable_priority_scheduling grammar_manager internal_state invariant_checker kv_events_publisher last_batch"
        " load_inquirer max_queued_requests max_total_num_tokens metrics_collector metrics_reporter page_size policy"
        " pool_stats_observer processed_tokens_counter"
        " req_to_token_pool running_batch schedule_low_priority_values_first schedule_policy"
        " token_to_kv_pool_allocator tp_worker tree_cache waiting_queue weight_updater",
    ),
    Reads(f"{_COMPONENTS}.pool_stats_observer.SchedulerPoolStatsObserver", "max_total_num_tokens"),
    Reads(f"{_COMPONENTS}.invariant_checker.SchedulerInvariantChecker", "max_total_num_tokens"),
    Reads(f"{_COMPONENTS}.kv_events_publisher.SchedulerKvEventsPublisher", "max_total_num_tokens"),
    Reads(f"{_COMPONENTS}.load_inquirer.SchedulerLoadInquirer", "max_total_num_tokens"),
    Reads(
        f"{_MANAGERS}.schedule_batch.Req",
        "arrival_processed_tokens beam_group best_match_node cache_salt extend_end extra_key finished_output"
        " finished_reason full_untruncated_fill_ids host_hit_length input_embeds is_retracted kv last_node"
        " num_matched_prefix_tokens origin_input_ids output_ids prefix_len return_hidden_states return_logprob rid"
        " sampling_params send_token_offset session skip_radix_cache_insert time_stats to_finish",
    ),
    Reads(
        f"{_MANAGERS}.schedule_batch.ScheduleBatch",
        "batch_is_full decoding_reqs forward_mode hicache_consumer_index reqs return_logprob",
    ),
    Reads(
        f"{_MANAGERS}.schedule_policy.PrefillAdder",
        "can_run_list new_chunked_req rem_chunk_tokens token_to_kv_pool_allocator",
    ),
    Reads(f"{_MANAGERS}.schedule_policy.SchedulePolicy", "enable_hierarchical_cache tree_cache"),
    Reads(
        "sglang.srt.layers.radix_attention.RadixAttention",
        "attn_type is_cross_attention layer_id logit_cap qk_head_dim scaling sliding_window_size tp_k_head_num"
        " tp_q_head_num tp_v_head_num v_head_dim",
    ),
    Reads(
        "sglang.srt.model_executor.forward_batch_info.ForwardBatch",
        "extend_prefix_lens extend_seq_lens out_cache_loc req_pool_indices seq_lens",
    ),
    Reads("sglang.srt.layers.logits_processor.LogitsProcessorOutput", "next_token_logits"),
    Reads("sglang.srt.sampling.sampling_batch_info.SamplingBatchInfo", "is_all_greedy sampling_mask_batch_indices"),
    Reads(
        "sglang.srt.mem_cache.memory_pool.MHATokenToKVPool",
        "device dtype end_layer head_dim head_num k_buffer k_scale_buffer layer_num layer_transfer_counter page_size"
        " size start_layer v_buffer v_head_dim v_scale_buffer",
    ),
    Reads(
        "sglang.srt.mem_cache.cache_init_params.CacheInitParams",
        "attn_cp_cache_group attn_tp_cache_group component_registry_override page_size pp_cache_group"
        " token_to_kv_pool_allocator tp_cache_group tree_core_backend",
    ),
    Reads(
        "sglang.srt.mem_cache.unified_radix_cache.UnifiedRadixCache",
        "cache_controller linker load_back_threshold ongoing_load_back ongoing_write_through tp_world_size tree_core",
    ),
    Reads(
        f"{_MANAGERS}.cache_controller.HiCacheController",
        "ack_load_queue ack_write_queue io_backend l2_transfer_engine layer_done_counter load_queue mem_pool_device"
        " mem_pool_device_allocator mem_pool_host",
    ),
    Reads(f"{_MANAGERS}.cache_controller.CacheOperation", "device_indices host_indices"),
    Reads(f"{_MANAGERS}.cache_controller.HiCacheAck", "finish_event node_ids num_tokens"),
    Reads(f"{_MANAGERS}.cache_controller.LayerDoneCounter", "events num_counters num_layers producer_index"),
    Reads(f"{_MANAGERS}.cache_controller.LayerLoadingEvent", "_num_layers load_events start_event"),
    Reads("sglang.srt.mem_cache.l2_transfer.L2Transfer", "device_indices device_pool host_indices host_pool"),
    Reads("sglang.srt.mem_cache.device_pool_info.DevicePoolInfo", "buffer_info"),
    Reads("sglang.srt.mem_cache.pool_host.group.HostPoolGroup", "anchor_entry size"),
    Reads("sglang.srt.mem_cache.pool_host.group.PoolEntry", "host_pool"),
    Reads("sglang.srt.mem_cache.pool_host.base.HostKVCache", "lock size"),
    Reads(
        "sglang.srt.mem_cache.pool_host.mha.MHATokenToKVPoolHost",
        "device_k_buffers device_v_buffers k_buffer layer_num size size_per_token target_layer_num v_buffer",
    ),
    Reads(
        "sglang.srt.layers.attention.torch_native_backend.TorchNativeAttnBackend",
        "req_to_token_pool token_to_kv_pool",
    ),
    Reads(
        "sglang.srt.layers.layernorm.RMSNorm",
        "has_weight override_orig_dtype variance_epsilon variance_size_override weight",
    ),
    Reads("sglang.srt.layers.rotary_embedding.base.RotaryEmbedding", "head_size is_neox_style"),
    Reads("sglang.srt.layers.linear.LinearBase", "quant_method"),
    Reads("sglang.srt.models.llama.LlamaModel", "embed_tokens layers layers_to_capture norm"),
    Reads("sglang.srt.models.qwen2.Qwen2Model", "embed_tokens layers layers_to_capture norm"),
    Reads("sglang.srt.models.llama.LlamaDecoderLayer", "input_layernorm mlp post_attention_layernorm self_attn"),
    Reads("sglang.srt.models.qwen2.Qwen2DecoderLayer", "input_layernorm mlp post_attention_layernorm self_attn"),
    Reads("sglang.srt.models.llama.LlamaAttention", "attn o_proj qkv_proj rotary_emb"),
    Reads("sglang.srt.models.qwen2.Qwen2Attention", "attn o_proj qkv_proj rotary_emb"),
    Reads("sglang.srt.models.llama.LlamaMLP", "down_proj gate_up_proj"),
    Reads("sglang.srt.models.qwen2.Qwen2MLP", "down_proj gate_up_proj"),
    Reads(
        f"{_MANAGERS}.scheduler_components.internal_state.SchedulerInternalStateController",
        "record_step_time scheduler",
    ),
    Reads(
        f"{_MANAGERS}.scheduler_components.metrics_reporter.SchedulerMetricsReporter",
        "current_scheduler_metrics_enabled",
    ),
    Reads("sglang.srt.observability.metrics_collector.SchedulerMetricsCollector", "labels"),
    Reads(
        "sglang.srt.sampling.sampling_params.SamplingParams",
        "custom_params frequency_penalty max_new_tokens min_new_tokens presence_penalty repetition_penalty",
    ),
    Reads(
        "sglang.srt.mem_cache.unified_cache.unified_tree_core.UnifiedTreeCore",
        "_node_arena enable_external_cache_linker enable_hicache enable_storage evictable_device_leaves"
        " eviction_strategy evictable_host_leaves full_host_duplicates is_write_back root_node",
    ),
    Reads(
        "sglang.srt.mem_cache.unified_cache.unified_tree_core.UnifiedTreeNode",
        "backuped children component_data evicted hit_count id key last_access_time parent write_through_pending_id",
    ),
    Reads(
        "sglang.srt.mem_cache.unified_cache.components.base.ComponentData", "host_lock_ref host_value lock_ref value"
    ),
    Reads("sglang.srt.mem_cache.radix_cache.RadixKey", "cache_salt extra_key"),
    Reads("sglang.srt.mem_cache.base_prefix_cache.MatchPrefixParams", "req"),
    Reads(
        "sglang.srt.mem_cache.registry.TreeCacheBuildContext",
        "disable_radix_cache is_hybrid_ssm is_hybrid_swa params",
    ),
    Reads(f"{_MANAGERS}.io_struct.GetInternalStateReqOutput", "internal_state"),
    Reads(
        "sglang.srt.server_args.ServerArgs",
        "_radix_eviction_policy_explicitly_set attention_backend chunked_prefill_size device disable_radix_cache"
        " disaggregation_mode dllm_algorithm dp_size dtype enable_dp_attention enable_flexkv enable_hierarchical_cache"
        " enable_kv_cache_sharding enable_lmcache enable_lora enable_memory_saver enable_mixed_chunk enable_pdmux"
        " enable_prefill_delayer enable_priority_scheduling enable_session_radix_cache"
        " enable_unified_cache_external_linker grpc_mode grpc_port hicache_host_memory_fraction hicache_io_backend"
        " hicache_mem_layout hicache_size hicache_storage_backend hicache_write_policy is_embedding kv_cache_dtype"
        " lora_paths max_total_tokens mem_fraction_static min_free_slots_delay page_size pp_size"
        " prefill_decode_interval radix_cache_backend radix_eviction_policy sampling_backend schedule_policy"
        " scheduler_recv_interval sleep_on_idle smg_grpc_mode speculative_algorithm tokenizer_worker_num tp_size"
        " use_ray",
    ),
    Reads(
        f"{_MANAGERS}.schedule_batch.ReqKvInfo",
        "cache_protected_len holds_kv kv_allocated_len kv_committed_len req_pool_idx",
    ),
    Reads("sglang.srt.mem_cache.base_prefix_cache.EvictResult", "num_tokens_evicted"),
    Reads("sglang.srt.mem_cache.memory_pool.ReqToTokenPool", "req_to_token"),
    Reads(
        "sglang.srt.mem_cache.allocator.paged.PagedTokenToKVPoolAllocator",
        "debug_mode free_group free_pages page_size size",
    ),
    Reads(
        "sglang.srt.mem_cache.prefill_budget.PrefillBudget",
        "current_offset remaining_current remaining_total total_offset",
    ),
    Reads(
        "sglang.srt.mem_cache.kv_cache_configurator.KVCacheConfigurator",
        "kv_cache_dtype kv_cache_dtype_str layer_info mambaish_config model_config use_mla_backend",
    ),
)
