"""The operator schemas that torchvision needs to import when its binary operators cannot be loaded.

SGLang imports torchvision whether it serves images or not. Where a CPU build of torch is at hand, but
torchvision only as built for CUDA, its shared library does not load, and its import fails because it
describes operators that nothing has defined. Text needs none of them, so their schemas are enough; whoever
calls one is told why it is missing.

PyTorch runs `register` through its extension point for out-of-tree backends.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NoReturn

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[torch.library.Library] = []  # a library takes its definitions along when it is collected


def register() -> None:
    """Define the schemas, unless torchvision is absent or can bring its own operators."""
    if _libraries or not _torchvision_lacks_operators():
        return
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
        library.impl(schema.partition("(")[0], _refuse, "CPU")
    _libraries.append(library)


def _torchvision_lacks_operators() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    binary = Path(spec.origin).with_name("_C.so")
    try:
        torch.ops.load_library(str(binary))
    except OSError:
        return True
    return False


def _refuse(*_arguments: object) -> NoReturn:
    raise RuntimeError(
        "this environment serves text only: torchvision's image operators are not available in it; "
        "build one that has them with `python3 scripts/setup.py --route full`"
    )
