"""The model SuperInfer serves when none is named: fetched once, converted once, checked every time.

Importing this package is cheap: numpy, gguf, tokenizers and safetensors load only when a conversion runs.
"""

from superinfer.models.errors import (
    ModelChecksumError,
    ModelConversionError,
    ModelError,
    ModelFetchError,
)
from superinfer.models.package import DEFAULT_MODEL, PackagedModel
from superinfer.models.store import default_cache_dir, ensure_default_model

__all__ = [
    "DEFAULT_MODEL",
    "ModelChecksumError",
    "ModelConversionError",
    "ModelError",
    "ModelFetchError",
    "PackagedModel",
    "default_cache_dir",
    "ensure_default_model",
]
