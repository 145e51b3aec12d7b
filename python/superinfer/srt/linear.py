"""Linear and output layers without SGLang's plain ``F.linear``, which is slow for the few rows of a decode step."""

from typing import Any

import torch
from sglang.srt.layers.linear import LinearBase
from sglang.srt.layers.quantization.unquant import UnquantizedEmbeddingMethod, UnquantizedLinearMethod
from sglang.srt.layers.vocab_parallel_embedding import VocabParallelEmbedding

from superinfer import kernels

BATCH_HINT = 8
"""Rows oneDNN lays the weights out for. Decode steps have few rows; prefill loses nothing measurable."""

MAX_HEAD_ROWS = 64
"""With more rows than this, a general matrix product beats the one that reads weights as they are stored."""


class PackedLinearMethod(UnquantizedLinearMethod):
    """Multiplies by the packed weight that ``pack_linears`` put in place of the plain one."""

    def apply(self, layer: Any, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """``x @ weight.T + bias`` for float32 ``x`` of shape ``[..., in]``."""
        return torch.ops.mkldnn._linear_pointwise(x, layer.packed_weight, bias, "none", [], "")


class SharedHeadMethod(UnquantizedEmbeddingMethod):
    """The output layer on weights that an embedding may share, and that therefore cannot be packed."""

    def apply(self, layer: Any, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Logits ``[rows, vocabulary]`` for float32 ``x`` of shape ``[rows, hidden]``."""
        if bias is not None or x.dim() != 2 or x.shape[0] > MAX_HEAD_ROWS or x.stride(1) != 1:
            return super().apply(layer, x, bias)
        out = x.new_empty((x.shape[0], layer.weight.shape[0]))
        kernels.linear(x, layer.weight.data, out)
        return out


def pack_linears(model: torch.nn.Module) -> int:
    """Let oneDNN pack every plain float32 linear layer of ``model``, in place.

    Packing replaces the weights: two copies would cost as much memory as the model.

    Returns:
        Number of layers packed.
    """
    if not torch.backends.mkldnn.is_available():
        return 0
    layers = [module for module in model.modules() if _is_plain(module)]
    for layer in layers:
        layer.packed_weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.data, BATCH_HINT)
        # The parameter stays, empty: SGLang asks modules for their ``weight`` attribute's dtype and device.
        layer.weight.data = layer.weight.data.new_empty(0)
        layer.quant_method = PackedLinearMethod()
    return len(layers)


def speed_up_head(model: torch.nn.Module) -> bool:
    """Compute logits with a kernel made for few rows. Returns whether the output layer is of a kind that allows it."""
    head: Any = getattr(model, "lm_head", None)
    suits = (
        kernels.available()
        and isinstance(head, VocabParallelEmbedding)
        and type(head.quant_method) is UnquantizedEmbeddingMethod
        and head.weight.dtype is torch.float32
        and head.weight.is_contiguous()
    )
    if suits:
        head.quant_method = SharedHeadMethod()
    return suits


def _is_plain(module: Any) -> bool:
    return (
        isinstance(module, LinearBase)
        and type(module.quant_method) is UnquantizedLinearMethod
        and module.weight.dtype is torch.float32
        and module.weight.dim() == 2
    )
