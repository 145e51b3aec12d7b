"""Time attention over native, int8 and int4 pages side by side: ``python -m superinfer.kernels.bench_mixed``.

Formats take turns, so that whatever else the machine does falls on all of them alike. Times are medians; the ratio is
the median of the ratios of neighbours.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch

from superinfer import kernels
from superinfer.kernels.inputs import Heads, normal
from superinfer.kernels.mixed_inputs import MixedBatch, mixed_batch
from superinfer.kv import PAGE_TOKENS, Format


def kinds_of(context: int) -> dict[str, list[Format]]:
    """Formats of a request's pages: all alike, or a third of each, the native ones first."""
    pages = -(-context // PAGE_TOKENS)
    thirds = [Format(len(Format) * page // pages) for page in range(pages)]
    return {fmt.label: [fmt] for fmt in Format} | {"mixed": thirds}


def decode_call(batch: MixedBatch, heads: Heads) -> Callable[[], None]:
    """Decode attention of all requests."""
    plain, requests = batch.plain, len(batch.plain.rows)
    q, out = normal(requests, heads.q, heads.dim), torch.empty(requests, heads.q, heads.v_dim)
    arguments = (q, batch.k_cache, batch.v_cache, batch.slots, plain.req_to_token, plain.rows, plain.seq_lens, out)
    return lambda: kernels.mixed_decode_attention(*arguments, scale=heads.dim**-0.5)


def take_turns_ms(calls: Sequence[Callable[[], None]], rounds: int) -> list[list[float]]:
    """Milliseconds of each call in each round."""
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, own in zip(calls, times, strict=True):
            started = time.perf_counter()
            call()
            own.append(1e3 * (time.perf_counter() - started))
    return times


def decode(requests: int, context: int, heads: Heads, dtype: torch.dtype, rounds: int) -> list[str]:
    """A line for each format."""
    kinds = kinds_of(context)
    batches = [mixed_batch([(context, own)] * requests, heads, dtype=dtype, numbers=False) for own in kinds.values()]
    times = take_turns_ms([decode_call(batch, heads) for batch in batches], rounds)
    lines = []
    for name, batch, own in zip(kinds, batches, times, strict=True):
        ratio = median(mine / native for mine, native in zip(own, times[0], strict=True))
        shape = batch.regions.shape
        size = sum(shape.token_bytes(fmt) for fmt in kinds[name]) / len(kinds[name]) * context * requests
        lines.append(
            f"decode {str(dtype)[6:]:8} requests {requests:3} context {context:6} {name:6}: {median(own):8.3f} ms, "
            f"{ratio:.2f} of native, {size / 1e6:7.1f} MB, {size / 1e6 / median(own):5.1f} GB/s"
        )
    return lines


def seal_us(heads: Heads, source: Format, target: Format) -> float:
    """Microseconds to seal one page of one layer."""
    batch = mixed_batch([(32, [source]), (32, [target])], heads, dtype=torch.bfloat16)
    slots = [batch.plain.req_to_token[row, :1].long() for row in batch.plain.rows]
    arguments = (batch.k_cache, batch.v_cache, batch.slots, *slots)
    return 1e3 * median(take_turns_ms([lambda: kernels.seal_pages(*arguments)], 200)[0])


def main() -> None:
    """Print all lines."""
    parser = argparse.ArgumentParser(prog="python -m superinfer.kernels.bench_mixed", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    print(f"{kernels.current_isa()}, {options.threads} threads, load before {load:.1f}, torch {torch.__version__}")
    for heads in (Heads(), Heads(q=32, kv=8, dim=128, v_dim=128)):
        print(heads)
        for source, target in ((Format.NATIVE, Format.INT8), (Format.NATIVE, Format.INT4), (Format.INT8, Format.INT4)):
            print(f"seal   {source.label} to {target.label}: {seal_us(heads, source, target):.0f} us a page and layer")
        for requests, context in ((1, 1024), (8, 2048), (32, 2048)):
            for line in decode(requests, context, heads, torch.bfloat16, options.rounds):
                print(line, flush=True)


if __name__ == "__main__":
    main()
