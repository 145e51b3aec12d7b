"""What the weights take in memory, told from outside: the same engine with and without them."""

import statistics
from dataclasses import dataclass

from benchmark.engine.measure import Measurement
from benchmark.engine.shape import ModelShape


@dataclass(frozen=True, slots=True)
class ResidentWeights:
    """Differences between an engine with the model and the same engine with its narrow relative.

    Attributes:
        resident_bytes: Resident memory that the model takes and its relative does not.
        float32_bytes: Size of the weights, less the relative's, in float32.
    """

    resident_bytes: float
    float32_bytes: int

    @property
    def ratio(self) -> float:
        """1 if weights are held in float32, once, and nothing that was needed to load them stays behind."""
        return self.resident_bytes / self.float32_bytes


def resident_weights(measurement: Measurement, shape: ModelShape) -> dict[str, ResidentWeights]:
    """By engine; those that were not started with the narrow model are left out."""
    narrow = measurement.narrow
    return {
        engine: ResidentWeights(
            statistics.median(startup.resident_bytes for startup in measurement.startups[engine]) - resident_bytes,
            shape.float32_bytes - narrow.shape.float32_bytes,
        )
        for engine, resident_bytes in narrow.resident_bytes.items()
    }
