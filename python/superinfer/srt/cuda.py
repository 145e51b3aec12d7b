"""The CUDA platform: SGLang's own, under our name.

Its enum stays CUDA, so that every in-tree CUDA path keeps working; it is the place where SuperInfer's KV pools
for GPUs attach. Nothing here has run on a GPU yet.
"""

from typing import Any

from sglang.srt.platforms.cuda import CudaSRTPlatform

from superinfer.srt.cache import choice
from superinfer.srt.defaults import decode_beside_prefill
from superinfer.srt.host import defaults as host_defaults


class SuperCudaPlatform(CudaSRTPlatform):
    """SGLang's CUDA platform, recognisable as active under SuperInfer."""

    def apply_server_args_defaults(self, server_args: Any) -> None:
        """SGLang's defaults, and ours."""
        super().apply_server_args_defaults(server_args)
        decode_beside_prefill(server_args)
        host_defaults.apply(server_args, on_cpu=False)
        choice.choose(server_args)
