"""The host's pool of KV where the device is the CPU."""

from typing import Any

import torch
from sglang.srt.mem_cache.pool_host.mha import MHATokenToKVPoolHost

from superinfer.srt.host.copies import copy_rows


class CpuKVPoolHost(MHATokenToKVPoolHost):
    """SGLang's host pool in memory that is not pinned, filled and read by our own copies.

    SGLang's copies are kernels for accelerators, and pinning memory needs a CUDA driver.
    """

    def load_to_device_per_layer(
        self,
        device_pool: Any,
        host_indices: torch.Tensor,
        device_indices: torch.Tensor,
        layer_id: int,
        io_backend: str,
        *,
        is_draft: bool = False,
    ) -> None:
        """Bring one layer's KV back: host rows ``[n]`` to device rows ``[n]``."""
        copy_rows(self.device_k_buffers[layer_id], device_indices, self.k_buffer[layer_id], host_indices)
        copy_rows(self.device_v_buffers[layer_id], device_indices, self.v_buffer[layer_id], host_indices)

    def backup_from_device_all_layer(
        self, device_pool: Any, host_indices: torch.Tensor, device_indices: torch.Tensor, io_backend: str
    ) -> None:
        """Keep the KV of all layers: device rows ``[n]`` to host rows ``[n]``."""
        for layer in range(self.layer_num):
            copy_rows(self.k_buffer[layer], host_indices, self.device_k_buffers[layer], device_indices)
            copy_rows(self.v_buffer[layer], host_indices, self.device_v_buffers[layer], device_indices)
