"""What the machine's limits mean for a workload: tokens per second that no engine can exceed.

Products with weights and attention count, at the full rate of arithmetic; weights and KV cache are read once a step, at
the full bandwidth, and at the same time. Norms, sampling, HTTP and the writing of the cache are free.
"""

from benchmark.engine.engines import KEEP_HALF_WEIGHTS
from benchmark.engine.limits import Limits
from benchmark.engine.shape import FLOAT32_BYTES, ModelShape
from benchmark.engine.workloads import Decode, Mixed, Prefill, Workload


def bytes_per_weight(engine: str, shape: ModelShape) -> int:
    """What ``engine`` reads for one weight: the checkpoint's 16 bits if it keeps them, or float32."""
    return FLOAT32_BYTES // 2 if shape.half and engine in KEEP_HALF_WEIGHTS else FLOAT32_BYTES


def bound_tok_s(workload: Workload, shape: ModelShape, limits: Limits, weight_bytes: int) -> float | None:
    """Upper bound of the throughput of ``workload``; ``None`` if it has none that would mean something."""
    match workload:
        case Decode():
            return _decode(workload, shape, limits, weight_bytes)
        case Prefill():
            return _prefill(workload, shape, limits, weight_bytes)
        case Mixed():
            return None


def _decode(workload: Decode, shape: ModelShape, limits: Limits, weight_bytes: int) -> float:
    """Like the figure, this leaves out each request's first token, which prefill makes."""
    steps = workload.new_tokens - 1
    products_flop = 2 * (shape.body + shape.head)
    total_s = 0.0
    for step in range(1, steps + 1):
        cached = workload.prompt_tokens + step - 1
        read_bytes = weight_bytes + workload.concurrency * cached * shape.kv_bytes
        flop = workload.concurrency * (products_flop + (cached + 1) * shape.pair_flop)
        total_s += _least_s(limits, read_bytes, flop)
    return workload.concurrency * steps / total_s


def _prefill(workload: Prefill, shape: ModelShape, limits: Limits, weight_bytes: int) -> float:
    """Only a prompt's last token passes the output projection."""
    tokens, cached = workload.prompt_tokens, workload.cached_tokens
    pairs = sum(range(cached + 1, tokens + 1))
    flop = 2 * (shape.body * (tokens - cached) + shape.head) + pairs * shape.pair_flop
    return tokens / _least_s(limits, weight_bytes + cached * shape.kv_bytes, flop)


def _least_s(limits: Limits, read_bytes: int, flop: int) -> float:
    return max(read_bytes / limits.read_bytes_per_s, flop / limits.fp32_flop_per_s)
