"""The server process and the detokenizer, and sampling."""

from superinfer.srt.seams.seam import MANAGERS, PROCESS, Seam, members

SEAMS: tuple[Seam, ...] = (
    # Detokenizer process
    Seam(f"{MANAGERS}.detokenizer_manager.run_detokenizer_process", "server_args port_args detokenizer_manager_class"),
    # Sampling
    *members(
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
    *members(
        f"{MANAGERS}.tokenizer_manager.TokenizerManager",
        {
            "__init__": "self server_args port_args start_pd_bootstrap_service",
            "generate_request": "self obj request",
            "_handle_abort_finish_reason": "self out state is_stream",
            "get_internal_state": "self",
            "update_request_meta_info": "self meta_info state customized_info index finish_reason",
        },
    ),
    Seam(f"{MANAGERS}.io_struct.GenerateReqInput"),
    *members(
        "sglang.srt.entrypoints.engine.Engine",
        {
            "__init__": "self **kwargs",
            "init_tokenizer_manager_func": "server_args port_args TokenizerManagerClass",
            "run_detokenizer_process_func": "server_args port_args detokenizer_manager_class",
            "run_scheduler_process_func": f"{PROCESS} display_moe_ep_rank",
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
