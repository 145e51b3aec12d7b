"""The scheduler process."""

from superinfer.srt.seams.seam import COMPONENTS, MANAGERS, PROCESS, Seam, members

SEAMS: tuple[Seam, ...] = (
    Seam(f"{MANAGERS}.scheduler.run_scheduler_process", f"{PROCESS} display_moe_ep_rank"),
    *members(
        f"{MANAGERS}.scheduler.Scheduler",
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
    Seam(f"{MANAGERS}.scheduler.NextBatchPlan"),
    Seam(f"{MANAGERS}.io_struct.AbortReq"),
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
    Seam(f"{MANAGERS}.schedule_batch.Req.finished", "self"),
    Seam(f"{MANAGERS}.schedule_batch.Req.reset_for_retract", "self"),
    Seam(f"{MANAGERS}.schedule_batch.ScheduleBatch.filter_batch", "self reqs_to_exclude keep_indices"),
    Seam("sglang.srt.observability.req_time_stats.SchedulerReqTimeStats.set_retract_time", "self ts"),
    Seam("sglang.srt.observability.req_time_stats.SchedulerReqTimeStats.set_wait_queue_entry_time", "self ts"),
    Seam(f"{MANAGERS}.schedule_batch.FINISH_ABORT"),
    *members(
        f"{MANAGERS}.schedule_policy.SchedulePolicy",
        {
            "__init__": "self policy tree_cache enable_hierarchical_cache enable_priority_scheduling"
            " schedule_low_priority_values_first",
            "calc_priority": "self waiting_queue running_batch processed_tokens",
            "shortest_prefill_chunk_limit": "self chunked_req waiting_queue budget page_size",
        },
    ),
    *members(
        f"{MANAGERS}.schedule_policy.PrefillAdder",
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
    Seam(f"{MANAGERS}.schedule_policy.CLIP_MAX_NEW_TOKENS"),
    Seam(f"{MANAGERS}.schedule_policy.AddReqResult.CONTINUE"),
    Seam(f"{MANAGERS}.schedule_policy.AddReqResult.NO_TOKEN"),
    Seam(f"{MANAGERS}.schedule_policy.AddReqResult.OTHER"),
    *members(
        f"{COMPONENTS}.output_streamer.SchedulerOutputStreamer",
        {
            "stream_output": "self reqs return_logprob skip_req",
            "build_additional_customized_info": "self reqs",
        },
    ),
    Seam(f"{COMPONENTS}.output_streamer.SchedulerOutputStreamer.has_additional_customized_info"),
    *members(
        f"{COMPONENTS}.internal_state.SchedulerInternalStateController",
        {"__init__": "self scheduler record_step_time", "get_internal_state": "self recv_req"},
    ),
)
