"""What this machine can do at best, and how near to it a figure is.

``python -m benchmark.engine.limits THREADS`` measures and prints JSON: a process of its own, so that no thread
pool stays behind in the one that measures the engines.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

_READ_BYTES = 2**30
_GEMM_SIZE = 2_048
_TRIALS = 5
_FP32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """Best of several trials.

    Attributes:
        read_bytes_per_s: Memory read bandwidth, over an array larger than any cache.
        fp32_flop_per_s: Dense float32 matrix product, the better of PyTorch's two libraries.
    """

    read_bytes_per_s: float
    fp32_flop_per_s: float


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Parameters of a model.

    Attributes:
        body: Those that every token passes.
        head: The output projection's, which only tokens that are sampled from pass.
    """

    body: int
    head: int

    @property
    def weight_bytes(self) -> int:
        """Weights as all engines hold them, float32."""
        return (self.body + self.head) * _FP32_BYTES

    def decode_bound_tok_s(self, limits: Limits, batch: int) -> float:
        """Tokens per second if a step did nothing but read all weights once and multiply by them."""
        read_s = self.weight_bytes / limits.read_bytes_per_s
        compute_s = 2 * (self.body + self.head) * batch / limits.fp32_flop_per_s
        return batch / max(read_s, compute_s)

    def prefill_bound_tok_s(self, limits: Limits, tokens: int) -> float:
        """Prompt tokens per second of one prompt if attention, and all but the products with weights, were free."""
        read_s = self.weight_bytes / limits.read_bytes_per_s
        compute_s = 2 * (self.body * tokens + self.head) / limits.fp32_flop_per_s
        return tokens / max(read_s, compute_s)


def model_size(model: Path) -> ModelSize:
    """Count parameters in the safetensors files of a model directory."""
    counts: dict[str, int] = {}
    for file in model.glob("*.safetensors"):
        counts |= _parameters(file)
    embedding = counts.pop("model.embed_tokens.weight")
    return ModelSize(body=sum(counts.values()) - counts.get("lm_head.weight", 0), head=embedding)


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


def _parameters(file: Path) -> dict[str, int]:
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as tensors:
        shapes = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
    counts: dict[str, int] = {}
    for name, shape in shapes.items():
        counts[name] = 1
        for size in shape:
            counts[name] *= size
    return counts


def _measure(threads: int) -> Limits:
    import torch

    torch.set_num_threads(threads)
    array = torch.ones(_READ_BYTES // _FP32_BYTES)
    matrix = torch.rand(_GEMM_SIZE, _GEMM_SIZE)
    packed = torch.ops.mkldnn._reorder_linear_weight(matrix, _GEMM_SIZE)
    products: list[Callable[[], object]] = [
        lambda: torch.mm(matrix, matrix),
        lambda: torch.ops.mkldnn._linear_pointwise(matrix, packed, None, "none", [], ""),
    ]
    return Limits(
        read_bytes_per_s=_READ_BYTES / _best_s(lambda: torch.sum(array)),
        fp32_flop_per_s=2 * _GEMM_SIZE**3 / min(_best_s(product) for product in products),
    )


def _best_s(work: Callable[[], object]) -> float:
    times_s = []
    for _ in range(_TRIALS):
        start_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_measure(int(sys.argv[1]))))
