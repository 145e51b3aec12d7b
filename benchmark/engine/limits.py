"""What this machine can do at best.

``python -m benchmark.engine.limits THREADS`` measures and prints JSON: a process of its own, so that no thread
pool stays behind in the one that measures the engines.
"""

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

_READ_BYTES = 2**30
_READ_COLUMNS = 4_096
_GEMM_SIZE = 2_048
_TRIALS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Best of several trials.

    Attributes:
        read_bytes_per_s: Memory read bandwidth, over an array larger than any cache.
        fp32_flop_per_s: Dense float32 matrix product, the better of PyTorch's two libraries.
        huge_pages: Share of that array that the kernel put on huge pages, where reading is not slowed by TLB misses.
        bf16_flop_per_s: Dense bfloat16 matrix product in PyTorch.
    """

    read_bytes_per_s: float
    fp32_flop_per_s: float
    huge_pages: float
    bf16_flop_per_s: float = 0.0

    def by_products(self, products: int) -> "Limits":
        """The same machine, multiplying float32 as fast as it can.

        Args:
            products: So many of bfloat16 give what one of float32 would, with the weights at hand; 0 if none do.
        """
        in_parts = self.bf16_flop_per_s / products if products else 0.0
        return replace(self, fp32_flop_per_s=max(self.fp32_flop_per_s, in_parts))


def measure_limits(threads: int) -> Limits:
    """Measure in a new process.

    Raises:
        subprocess.CalledProcessError: The measurement failed; its error is on standard error.
    """
    finished = subprocess.run(
        [sys.executable, "-m", __name__, str(threads)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(finished.stdout, type=Limits)


def best(limits: list[Limits]) -> Limits:
    """The most that was seen: what disturbs a measurement of a limit only lowers it."""
    return Limits(
        max(limit.read_bytes_per_s for limit in limits),
        max(limit.fp32_flop_per_s for limit in limits),
        max(limit.huge_pages for limit in limits),
        max(limit.bf16_flop_per_s for limit in limits),
    )


def _measure(threads: int) -> Limits:
    import torch

    torch.set_num_threads(threads)
    read_bytes_per_s, huge_pages = _measure_reading()
    return Limits(read_bytes_per_s, _measure_products(), huge_pages, _measure_half_products())


def _measure_reading() -> tuple[float, float]:
    """Bytes per second of the fastest of several ways to read an array, and its share on huge pages."""
    import torch

    # Private: shared anonymous memory follows another setting of the kernel, which is mostly off.
    pages = mmap.mmap(-1, _READ_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE)
    array = torch.frombuffer(pages, dtype=torch.float32).fill_(1)
    matrix, vector = array.view(-1, _READ_COLUMNS), torch.ones(_READ_COLUMNS)
    readers: list[Callable[[], object]] = [
        lambda: torch.sum(array),
        lambda: torch.max(array),
        lambda: torch.mv(matrix, vector),
    ]
    return _READ_BYTES / min(_best_s(reader) for reader in readers), _bytes_on_huge_pages() / _READ_BYTES


def _bytes_on_huge_pages() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "AnonHugePages":
            return 1_024 * int(value.split()[0])
    return 0


def _measure_products() -> float:
    """Operations per second of the fastest matrix product."""
    import torch

    matrix = torch.rand(_GEMM_SIZE, _GEMM_SIZE)
    packed = torch.ops.mkldnn._reorder_linear_weight(matrix, _GEMM_SIZE)
    products: list[Callable[[], object]] = [
        lambda: torch.mm(matrix, matrix),
        lambda: torch.ops.mkldnn._linear_pointwise(matrix, packed, None, "none", [], ""),
    ]
    return 2 * _GEMM_SIZE**3 / min(_best_s(product) for product in products)


def _measure_half_products() -> float:
    import torch

    matrix = torch.rand(_GEMM_SIZE, _GEMM_SIZE).bfloat16()
    return 2 * _GEMM_SIZE**3 / _best_s(lambda: torch.mm(matrix, matrix))


def _best_s(work: Callable[[], object]) -> float:
    times_s = []
    for _ in range(_TRIALS):
        start_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_measure(int(sys.argv[1]))))
