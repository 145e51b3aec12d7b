"""A portable CPU platform: any x86-64 or Arm CPU, PyTorch only.

SGLang's own CPU route needs an AVX-512 build of its kernel package. This one runs on SuperInfer's kernels, compiled on
the spot, and on torch operators where there is no compiler.
"""

import logging
import os
import platform
from typing import Any

import psutil
import torch
from sglang.srt.platforms.device_mixin import PlatformEnum
from sglang.srt.platforms.interface import SRTPlatform

from superinfer import kernels
from superinfer.kv import PAGE_TOKENS
from superinfer.srt import ATTENTION_BACKEND
from superinfer.srt.cache import choice
from superinfer.srt.defaults import CPU_OVERLAP, decode_beside_prefill, mixed_kv, tree_in_python
from superinfer.srt.host import defaults as host_defaults
from superinfer.srt.support import UnsupportedError

logger = logging.getLogger(__name__)

DISPATCH_KEY = "superinfer"


class PortableCpuPlatform(SRTPlatform):
    """Out-of-tree platform "cpu" with sensible defaults for small hosts."""

    _enum = PlatformEnum.OOT
    device_name = "cpu"
    device_type = "cpu"
    supported_quantization: list[str] = []  # noqa: RUF012 (SGLang declares it so)

    MEMORY_FRACTION = 0.5
    """Share of the host's memory that weights and KV cache may take. A host, unlike a GPU, is shared."""

    KV_TOKENS = 32_768
    """Size of the KV cache unless ``--max-total-tokens`` says otherwise. SGLang would fill the whole share, and
    writing gigabytes of zeros takes longer than loading a model that fits a small host."""

    PREFILL_TOKENS = 512
    """Prompt tokens in one step. The machine's multiply rate is reached well below, and whatever arrives waits for the
    step that runs: two thirds of a second on two cores, where SGLang's 4,096 make it five."""

    def apply_server_args_defaults(self, server_args: Any) -> None:
        """Fill in what the operator left open."""
        if server_args.dtype == "auto":
            # Without native 16-bit arithmetic, bf16 is emulated and several times slower than fp32.
            server_args.dtype = "float32"
            if server_args.kv_cache_dtype == "auto" and kernels.available():
                # What is computed in fp32 may be kept in two bytes, as on a GPU. --dtype float32 keeps four.
                server_args.kv_cache_dtype = "bf16"
        if server_args.mem_fraction_static is None:
            server_args.mem_fraction_static = self.MEMORY_FRACTION
        if mixed_kv():
            tree_in_python()
            if server_args.page_size is None:
                server_args.page_size = PAGE_TOKENS
        elif server_args.max_total_tokens is None:
            server_args.max_total_tokens = self.KV_TOKENS
        if server_args.chunked_prefill_size is None:
            server_args.chunked_prefill_size = self.PREFILL_TOKENS
        decode_beside_prefill(server_args)
        host_defaults.apply(server_args, on_cpu=True)
        choice.choose(server_args)
        if not os.environ.get(CPU_OVERLAP):
            # A step is done here when it has been launched: results would only wait for the end of the next one.
            server_args.disable_overlap_schedule = True
        # An idle scheduler polls without pause otherwise, and takes a core from everything else on the host.
        server_args.sleep_on_idle = True
        if server_args.sampling_backend is None:
            server_args.sampling_backend = "pytorch"

    def get_default_attention_backend(self) -> str:
        """SuperInfer's kernels, or SGLang's backend on torch operators where they cannot be built."""
        return ATTENTION_BACKEND if kernels.available() else "torch_native"

    def get_kv_pool_cls(self, *, kind: Any) -> type | None:
        """Memory of several formats, if the operator gave it a budget."""
        if not mixed_kv():
            return None
        from superinfer.srt.kv.pool import MixedKVPool

        return MixedKVPool if kind == "mha" else None

    def get_paged_allocator_cls(self) -> type | None:
        """The allocator of that memory."""
        if not mixed_kv():
            return None
        from superinfer.srt.kv.allocator import MixedAllocator

        return MixedAllocator

    def get_dispatch_key_name(self) -> str:
        """Which forwards SGLang's operators use."""
        return DISPATCH_KEY if kernels.available() else "native"

    def init_backend(self) -> None:
        """In each worker, before the model is built."""
        from superinfer.srt.host import strategy

        strategy.register()
        if not kernels.available():
            logger.warning("Serving on torch operators: %s", kernels.unavailable_reason())
            return
        from superinfer.srt import attention, fused_ops, sampler

        attention.register()
        sampler.register()
        fused_ops.register(DISPATCH_KEY)

    def post_load_model(self, model: torch.nn.Module) -> None:
        """Lay the weights out for our kernels, and let these run the layers where they can."""
        if not kernels.available():
            if mixed_kv():
                raise UnsupportedError(f"SuperInfer does not support --kv-budget here: {kernels.unavailable_reason()}")
            return
        from superinfer.srt import decoder, linear

        if mixed_kv():
            from superinfer.srt.kv import limits

            limits.check_layers(model)
        packed, lean = linear.pack_weights(model), decoder.install(model)
        logger.info("Packed the weights of %d layers; own loop over the layers: %s.", packed, lean)

    def get_device_total_memory(self, device_id: int = 0) -> int:
        """Bytes of memory in this host."""
        return int(psutil.virtual_memory().total)

    def get_current_memory_usage(self, device: torch.device | None = None) -> float:
        """Bytes of this host's memory in use, by anyone."""
        memory = psutil.virtual_memory()
        return float(memory.total - memory.available)

    def get_available_memory(self, device_id: int = 0) -> tuple[int, int]:
        """Free and total bytes."""
        memory = psutil.virtual_memory()
        return int(memory.available), int(memory.total)

    def get_device(self, device_id: int = 0) -> str:
        """All ranks share the one CPU device."""
        return "cpu"

    def set_device(self, device: torch.device) -> None:
        """There is nothing to choose."""

    def get_device_name(self, device_id: int = 0) -> str:
        """The machine's architecture, such as ``x86_64``."""
        return platform.machine()

    def get_device_uuid(self, device_id: int = 0) -> str:
        """The host's name: there is one CPU device per host."""
        return platform.node()

    def get_device_capability(self, device_id: int = 0) -> None:
        """Compute capability is a CUDA notion."""

    def get_torch_profiler_activity_str(self) -> str:
        """Name of the profiler activity that records this device."""
        return "CPU"

    def get_torch_profiler_activity(self) -> Any:
        """The profiler activity that records this device."""
        return torch.profiler.ProfilerActivity.CPU

    def get_compile_backend(self, mode: str | None = None) -> str:
        """No compiler: start-up time matters more on the machines this is for."""
        return "eager"
