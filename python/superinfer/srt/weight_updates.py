"""Weights that were packed for our kernels cannot be replaced in a running server: a refusal, not a failure halfway."""

from dataclasses import dataclass, fields
from typing import Any

from sglang.srt.managers.io_struct import (
    UpdateWeightFromDiskReqOutput,
    UpdateWeightsFromDistributedReqOutput,
    UpdateWeightsFromIPCReqOutput,
    UpdateWeightsFromTensorReqOutput,
)
from sglang.srt.managers.scheduler_components.weight_updater import SchedulerWeightUpdaterManager

MESSAGE = (
    "Weights cannot be updated in a running server on the CPU platform: they were packed for its kernels when they "
    "were loaded. Start a server with the new weights."
)


@dataclass(kw_only=True, slots=True)
class PackedWeightUpdater(SchedulerWeightUpdaterManager):
    """Refuses every way of updating weights, before anything is changed."""

    def update_weights_from_disk(self, recv_req: Any) -> Any:
        """Refused."""
        return UpdateWeightFromDiskReqOutput(success=False, message=MESSAGE)

    def update_weights_from_distributed(self, recv_req: Any) -> Any:
        """Refused."""
        return UpdateWeightsFromDistributedReqOutput(success=False, message=MESSAGE)

    def update_weights_from_tensor(self, recv_req: Any) -> Any:
        """Refused."""
        return UpdateWeightsFromTensorReqOutput(success=False, message=MESSAGE)

    def update_weights_from_ipc(self, recv_req: Any) -> Any:
        """Refused."""
        return UpdateWeightsFromIPCReqOutput(success=False, message=MESSAGE)

    @classmethod
    def instead_of(cls, updater: SchedulerWeightUpdaterManager) -> "PackedWeightUpdater":
        """One with the parts of ``updater``."""
        return cls(**{field.name: getattr(updater, field.name) for field in fields(updater) if field.init})
