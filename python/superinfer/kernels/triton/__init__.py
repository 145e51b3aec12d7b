"""The attention kernels for CUDA GPUs, in Triton: same contracts and signatures as ``superinfer.kernels``.

Nothing here loads torch or Triton before a kernel is called.
"""

from superinfer.kernels.triton.attention import decode_attention, extend_attention, kv_store
from superinfer.kernels.triton.mixed import mixed_decode_attention, mixed_extend_attention, seal_pages

__all__ = [
    "decode_attention",
    "extend_attention",
    "kv_store",
    "mixed_decode_attention",
    "mixed_extend_attention",
    "seal_pages",
]
