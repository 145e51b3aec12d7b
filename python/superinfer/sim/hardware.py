"""What machines can do, from their makers' figures, and which part of it serving reaches."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Hardware:
    """One accelerator, or several that act as one.

    Attributes:
        memory_bytes: Its memory.
        bytes_per_s: Memory bandwidth.
        flops: Dense multiply-add operations per second, two per multiply-add, in the dtype it serves in.
        link_bytes_per_s: To and from host memory, each way.
        bandwidth_share: Part of the bandwidth that decoding reaches.
        compute_share: Part of the operations that prefill reaches.
        step_us: Cost of a step that does nothing.
        devices: How many act as one by tensor parallelism.
    """

    memory_bytes: float
    bytes_per_s: float
    flops: float
    link_bytes_per_s: float
    bandwidth_share: float = 0.8
    compute_share: float = 0.5
    step_us: int = 2_000
    devices: int = 1

    def times(self, devices: int) -> "Hardware":
        """Several of them by tensor parallelism. Communication is part of the shares."""
        return replace(
            self,
            memory_bytes=self.memory_bytes * devices,
            bytes_per_s=self.bytes_per_s * devices,
            flops=self.flops * devices,
            link_bytes_per_s=self.link_bytes_per_s * devices,
            devices=self.devices * devices,
        )


# Memory, bandwidth and dense bf16 rates as NVIDIA publishes them for A100 80GB SXM, H100 SXM and GH200 (96 GB). Links:
# PCIe 4 and 5 with 16 lanes at about 80 % of 32 and 64 GB/s; NVLink-C2C at 900 GB/s both ways together.
A100 = Hardware(memory_bytes=80e9, bytes_per_s=2.039e12, flops=312e12, link_bytes_per_s=25e9)
H100 = Hardware(memory_bytes=80e9, bytes_per_s=3.35e12, flops=989e12, link_bytes_per_s=50e9)
GH200 = Hardware(memory_bytes=96e9, bytes_per_s=4.0e12, flops=989e12, link_bytes_per_s=450e9)
# Two cores of a Zen 4 server in float32, as benchmark.engine measures them.
CPU2 = Hardware(8e9, 35e9, 210e9, link_bytes_per_s=10e9, bandwidth_share=0.9, compute_share=0.85, step_us=4_000)

HARDWARE = {"a100": A100, "h100": H100, "gh200": GH200, "cpu": CPU2}


def hardware(name: str) -> Hardware:
    """By name: ``a100``, or ``a100x4`` for four as one.

    Raises:
        ValueError: An unknown name; lists the known ones.
    """
    base, _, count = name.partition("x")
    if base not in HARDWARE or (count and not count.isdigit()) or count == "0":
        raise ValueError(f"hardware {name!r} is not known: {', '.join(HARDWARE)}, or one of these with xN")
    return HARDWARE[base].times(int(count or 1))
