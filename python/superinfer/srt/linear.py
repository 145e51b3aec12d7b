"""Weights laid out for SuperInfer's kernels, in 16 bits wherever that loses nothing."""

from typing import Any

import torch
from sglang.srt.layers.linear import LinearBase
from sglang.srt.layers.quantization.unquant import UnquantizedEmbeddingMethod, UnquantizedLinearMethod
from sglang.srt.layers.vocab_parallel_embedding import VocabParallelEmbedding

from superinfer import kernels
from superinfer.kernels.memory import huge_zeros


class PackedLinearMethod(UnquantizedLinearMethod):
    """Multiplies by the packed weight that ``pack_linears`` put in place of the plain one."""

    def apply(self, layer: Any, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """``x @ weight.T + bias`` for float32 ``x`` of shape ``[..., in]``."""
        rows = x.reshape(-1, x.shape[-1])
        out = rows.new_empty((rows.shape[0], layer.packed_outputs))
        kernels.packed_linear(rows, layer.packed_weight, out, bias=bias)
        return out.view(*x.shape[:-1], layer.packed_outputs)


class PackedTableMethod(UnquantizedEmbeddingMethod):
    """An output layer, and the embedding that may share its weights, on one packed table."""

    def apply(self, layer: Any, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Logits ``[rows, vocabulary]`` for float32 ``x`` of shape ``[rows, hidden]``."""
        out = x.new_empty((x.shape[0], layer.packed_outputs))
        kernels.packed_linear(x.contiguous(), layer.packed_weight, out, bias=bias)
        return out

    def embedding(self, layer: Any, input_: torch.Tensor) -> torch.Tensor:
        """Rows of the table in float32."""
        rows = input_.reshape(-1).to(torch.int64)
        out = torch.empty((len(rows), layer.packed_weight.shape[1]))
        kernels.unpack_rows(layer.packed_weight, rows, out)
        return out.view(*input_.shape, -1)


def exact_dtype(weight: torch.Tensor) -> torch.dtype:
    """The narrowest dtype that holds every number of a float32 weight exactly.

    Checkpoints come in 16 bits. Widened to float32 they hold no more than before, and a step that reads them in
    16 bits, and computes in float32, gives the same result for half of the memory traffic.
    """
    for dtype in (torch.bfloat16, torch.float16):
        if torch.equal(weight.to(dtype).float(), weight):
            return dtype
    return weight.dtype


def pack_weights(model: torch.nn.Module) -> int:
    """Pack every plain float32 linear layer of ``model``, its output layer and embedding, in place.

    Packing replaces the weights: two copies would cost as much memory as the model.

    Returns:
        Number of layers packed.
    """
    layers: list[Any] = [module for module in model.modules() if _is_plain(module)]
    specs = [(kernels.packed_shape(*layer.weight.shape), exact_dtype(layer.weight.data)) for layer in layers]
    for layer, packed in zip(layers, huge_zeros(specs), strict=True):
        layer.packed_weight = packed
        layer.packed_outputs = layer.weight.shape[0]
        kernels.pack(layer.weight.data, layer.packed_weight)
        # The parameter stays, empty: SGLang asks modules for their ``weight`` attribute's dtype and device.
        layer.weight.data = layer.weight.data.new_empty(0)
        layer.quant_method = PackedLinearMethod() if isinstance(layer, LinearBase) else PackedTableMethod()
    return len(layers)


def is_packed(model: torch.nn.Module) -> bool:
    """Whether ``pack_weights`` has changed ``model``."""
    return any(hasattr(module, "packed_weight") for module in model.modules())


def _is_plain(module: Any) -> bool:
    """Tables and linear layers; not their subclasses with a way of their own."""
    methods = {LinearBase: UnquantizedLinearMethod, VocabParallelEmbedding: UnquantizedEmbeddingMethod}
    return any(
        isinstance(module, kind)
        and type(module.quant_method) is method
        and module.weight.dtype is torch.float32
        and module.weight.dim() == 2
        for kind, method in methods.items()
    )
