"""Entry point in ``sglang.srt.platforms``: which platform class SGLang should use."""

from superinfer import config

CPU = "superinfer.srt.cpu.PortableCpuPlatform"
CUDA = "superinfer.srt.cuda.SuperCudaPlatform"


def activate() -> str | None:
    """Path of the platform class for this machine, or ``None`` to leave the choice to SGLang.

    One entry point serves both devices: SGLang would drop our plugin, too, if the distribution owned a
    platform entry point that ``SGLANG_PLATFORM`` did not select.
    """
    if config.active() is None:
        return None
    import torch

    if torch.cuda.is_available():
        return CUDA if torch.version.cuda else None
    return CPU if _only_cpu() else None


def _only_cpu() -> bool:
    import torch

    accelerators = (getattr(torch, name, None) for name in ("xpu", "npu", "hpu", "musa", "mps"))
    return not any(module is not None and module.is_available() for module in accelerators)
