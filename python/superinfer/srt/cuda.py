"""The CUDA platform: SGLang's own, under our name.

Its enum stays CUDA, so that every in-tree CUDA path keeps working; it is the place where SuperInfer's KV pools
for GPUs attach. Nothing here has run on a GPU yet.
"""

from sglang.srt.platforms.cuda import CudaSRTPlatform


class SuperCudaPlatform(CudaSRTPlatform):
    """SGLang's CUDA platform, recognisable as active under SuperInfer."""
