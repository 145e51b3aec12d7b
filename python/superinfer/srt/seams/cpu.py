"""The engine on the CPU."""

from superinfer.srt.seams.seam import COMPONENTS, MANAGERS, Seam, members

SEAMS: tuple[Seam, ...] = (
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
    *members(
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
        Seam(f"{MANAGERS}.io_struct.{name}Output")
        for name in (
            "UpdateWeightFromDiskReq",
            "UpdateWeightsFromDistributedReq",
            "UpdateWeightsFromIPCReq",
            "UpdateWeightsFromTensorReq",
        )
    ),
    *members(
        f"{COMPONENTS}.weight_updater.SchedulerWeightUpdaterManager",
        {f"update_weights_from_{source}": "self recv_req" for source in ("disk", "distributed", "ipc", "tensor")},
    ),
    Seam("sglang.srt.runtime_context.get_lora", ""),
    Seam("sglang.srt.runtime_context.get_parallel", ""),
    Seam("sglang.srt.runtime_context.get_schedule", ""),
    Seam("sglang.srt.layers.vocab_parallel_embedding.VocabParallelEmbedding"),
    Seam("sglang.srt.mem_cache.memory_pool.MHATokenToKVPool.get_key_buffer", "self layer_id"),
    Seam("sglang.srt.mem_cache.memory_pool.MHATokenToKVPool.get_value_buffer", "self layer_id"),
)
