"""The platform class behind ``stock_cpu``; imported by SGLang's processes only."""

import platform
from typing import Any

import psutil
import torch
from sglang.srt.platforms.device_mixin import PlatformEnum
from sglang.srt.platforms.interface import SRTPlatform


class StockCpuPlatform(SRTPlatform):  # type: ignore[misc]  # SGLang is untyped here
    """A CPU on which SGLang uses PyTorch's operators throughout."""

    _enum = PlatformEnum.OOT
    device_name = "cpu"
    device_type = "cpu"

    def get_default_attention_backend(self) -> str:
        """SGLang's backend on torch operators: the only one that runs without its kernel package."""
        return "torch_native"

    def get_device_total_memory(self, device_id: int = 0) -> int:
        """Bytes of memory in this host."""
        return int(psutil.virtual_memory().total)

    def get_current_memory_usage(self, device: torch.device | None = None) -> float:
        """Bytes of this host's memory in use."""
        return float(psutil.virtual_memory().total - psutil.virtual_memory().available)

    def get_available_memory(self, device_id: int = 0) -> tuple[int, int]:
        """Free and total bytes."""
        return int(psutil.virtual_memory().available), int(psutil.virtual_memory().total)

    def get_device(self, device_id: int = 0) -> str:
        """There is one CPU device."""
        return "cpu"

    def set_device(self, device: torch.device) -> None:
        """There is nothing to choose."""

    def get_device_name(self, device_id: int = 0) -> str:
        """The machine's architecture."""
        return platform.machine()

    def get_device_uuid(self, device_id: int = 0) -> str:
        """There is one CPU device per host."""
        return platform.node()

    def get_device_capability(self, device_id: int = 0) -> None:
        """Compute capability is a CUDA notion."""

    def get_torch_profiler_activity_str(self) -> str:
        """Name of the profiler activity that records this device."""
        return "CPU"

    def get_torch_profiler_activity(self) -> Any:
        """The profiler activity that records this device."""
        return torch.profiler.ProfilerActivity.CPU

    def get_compile_backend(self, mode: str | None = None) -> str:
        """As SuperInfer's platform: no compiler."""
        return "eager"
