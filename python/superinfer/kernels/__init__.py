"""Native CPU kernels: attention over SGLang's paged KV cache, and the small operations around it.

They are compiled for this machine when first used and kept in the user's cache. Where that is impossible,
:func:`available` is false, :func:`unavailable_reason` says why, and calling a kernel raises.
"""

from superinfer.kernels.attention import decode_attention, extend_attention, kv_store
from superinfer.kernels.elements import argmax, fused_add_rms_norm, rms_norm, rope, silu_and_mul
from superinfer.kernels.errors import KernelsUnavailable
from superinfer.kernels.layers import decoder_layers
from superinfer.kernels.library import available, current_isa, supported_isas, unavailable_reason, use_isa
from superinfer.kernels.linear import pack, packed_linear, packed_shape, unpack_rows
from superinfer.kernels.mixed import mixed_decode_attention, mixed_extend_attention, seal_pages

__all__ = [
    "KernelsUnavailable",
    "argmax",
    "available",
    "current_isa",
    "decode_attention",
    "decoder_layers",
    "extend_attention",
    "fused_add_rms_norm",
    "kv_store",
    "mixed_decode_attention",
    "mixed_extend_attention",
    "pack",
    "packed_linear",
    "packed_shape",
    "rms_norm",
    "rope",
    "seal_pages",
    "silu_and_mul",
    "supported_isas",
    "unavailable_reason",
    "unpack_rows",
    "use_isa",
]
