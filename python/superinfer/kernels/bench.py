"""Time the kernels beside torch: ``python -m superinfer.kernels.bench``.

Prints the shortest of many runs, the figure that other work on the machine disturbs least.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from superinfer import kernels
from superinfer.kernels.inputs import Heads, PagedBatch, normal, paged_batch

HEADS = Heads()
SCALE = HEADS.dim**-0.5
LEAST_RUNS = 5


def shortest_ms(call: Callable[[], object], budget_s: float = 0.5) -> float:
    """Milliseconds of the fastest call within the time budget."""
    call()
    best, runs, end = float("inf"), 0, time.perf_counter() + budget_s
    while runs < LEAST_RUNS or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
        runs += 1
    return best * 1e3


def decode(requests: int, context: int, dtype: torch.dtype) -> str:
    """One line: decode attention, and torch's SDPA request by request after gathering the keys."""
    batch = paged_batch([context] * requests, HEADS, dtype=dtype)
    q, out = normal(requests, HEADS.q, HEADS.dim), torch.empty(requests, HEADS.q, HEADS.v_dim)

    def ours() -> None:
        kernels.decode_attention(
            q, batch.k_cache, batch.v_cache, batch.req_to_token, batch.rows, batch.seq_lens, out, scale=SCALE
        )

    def torchs() -> None:
        for b in range(requests):
            keys, values = _gather(batch, b)
            query = q[b][None, :, None]
            out[b] = functional.scaled_dot_product_attention(query, keys, values, scale=SCALE, enable_gqa=True)[0, :, 0]

    ours_ms, torch_ms = shortest_ms(ours), shortest_ms(torchs)
    read_gb = requests * context * HEADS.kv * (HEADS.dim + HEADS.v_dim) * dtype.itemsize / 1e9
    return (
        f"decode  {str(dtype)[6:]:8} requests {requests:3} context {context:5}: {ours_ms:8.3f} ms "
        f"({read_gb / ours_ms * 1e3:5.1f} GB/s), torch {torch_ms:8.3f} ms"
    )


def extend(tokens: int, prefix: int, dtype: torch.dtype) -> str:
    """One line: extend attention, and without a prefix torch's SDPA on the same keys, gathered beforehand."""
    batch = paged_batch([prefix + tokens], HEADS, prefix_lens=[prefix], dtype=dtype)
    q, out = normal(tokens, HEADS.q, HEADS.dim), torch.empty(tokens, HEADS.q, HEADS.v_dim)
    ours_ms = shortest_ms(
        lambda: kernels.extend_attention(
            q,
            batch.k_cache,
            batch.v_cache,
            batch.req_to_token,
            batch.rows,
            batch.seq_lens,
            batch.prefix_lens,
            batch.qo_indptr,
            out,
            scale=SCALE,
        )
    )
    gflop = HEADS.q * 2 * (HEADS.dim + HEADS.v_dim) * sum(range(prefix + 1, prefix + tokens + 1)) / 1e9
    line = (
        f"extend  {str(dtype)[6:]:8} tokens {tokens:5} prefix {prefix:5}: {ours_ms:8.3f} ms "
        f"({gflop / ours_ms * 1e3:5.1f} GFLOP/s)"
    )
    if prefix == 0:
        torch_ms = shortest_ms(_dense_sdpa(q, batch))
        line += f", torch {torch_ms:8.3f} ms ({gflop / torch_ms * 1e3:5.1f} GFLOP/s)"
    return line


def call_overhead_us() -> float:
    """Microseconds of a call on next to no work."""
    batch = paged_batch([1], Heads(q=1, kv=1, dim=8, v_dim=8))
    q, out = normal(1, 1, 8), torch.empty(1, 1, 8)
    arguments = (q, batch.k_cache, batch.v_cache, batch.req_to_token, batch.rows, batch.seq_lens, out)
    return 1e3 * shortest_ms(lambda: kernels.decode_attention(*arguments, scale=1.0), budget_s=0.1)


def _gather(batch: PagedBatch, request: int) -> tuple[torch.Tensor, torch.Tensor]:
    slots = batch.req_to_token[batch.rows[request], : batch.seq_lens[request]]
    return batch.k_cache[slots].float().movedim(0, 1)[None], batch.v_cache[slots].float().movedim(0, 1)[None]


def _dense_sdpa(q: torch.Tensor, batch: PagedBatch) -> Callable[[], torch.Tensor]:
    keys, values = (x.repeat_interleave(HEADS.q // HEADS.kv, dim=1) for x in _gather(batch, 0))
    query = q.movedim(0, 1)[None].contiguous()
    return lambda: functional.scaled_dot_product_attention(query, keys, values, scale=SCALE, is_causal=True)


def main() -> None:
    """Print all lines."""
    parser = argparse.ArgumentParser(prog="python -m superinfer.kernels.bench", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    print(f"{kernels.current_isa()}, {torch.get_num_threads()} threads, {HEADS}, torch {torch.__version__}")
    print(f"call    {call_overhead_us():.1f} us")
    for context in (256, 2048):
        for requests in (1, 8, 32):
            print(decode(requests, context, torch.float32), flush=True)
    print(decode(8, 2048, torch.bfloat16), flush=True)
    print(decode(8, 2048, torch.float16), flush=True)
    for tokens, prefix in ((512, 0), (2048, 0), (256, 1024), (16, 2048)):
        print(extend(tokens, prefix, torch.float32), flush=True)


if __name__ == "__main__":
    main()
