"""Linear layers on weights that oneDNN has packed for this machine's cache and vector units.

Packing replaces the weights: two copies would cost as much memory as the model. Weights that something else reads,
such as embeddings tied to the output layer, stay as they are.
"""

from typing import Any

import torch
from sglang.srt.layers.linear import LinearBase
from sglang.srt.layers.quantization.unquant import UnquantizedLinearMethod

BATCH_HINT = 8
"""Rows oneDNN lays the weights out for. Decode steps have few rows; prefill loses nothing measurable."""


class PackedLinearMethod(UnquantizedLinearMethod):
    """Multiplies by the packed weight that ``pack_linears`` put in place of the plain one."""

    def apply(self, layer: Any, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """``x @ weight.T + bias`` for float32 ``x`` of shape ``[..., in]``."""
        return torch.ops.mkldnn._linear_pointwise(x, layer.packed_weight, bias, "none", [], "")


def pack_linears(model: torch.nn.Module) -> int:
    """Pack every plain float32 linear layer of ``model`` in place.

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


def _is_plain(module: Any) -> bool:
    return (
        isinstance(module, LinearBase)
        and type(module.quant_method) is UnquantizedLinearMethod
        and module.weight.dtype is torch.float32
        and module.weight.dim() == 2
    )
