"""Time the products of a step on every instruction set, in turn: ``python -m superinfer.kernels.bench_linear``.

Prints the shortest of all rounds, for SmolLM2-135M's layers and its output projection with weights of 16 bits,
which no cache holds.
"""

import argparse
import time
from collections.abc import Sequence

import torch

from superinfer import kernels
from superinfer.kernels.inputs import normal

LAYERS = 30
SHAPES = ((960, 576), (576, 576), (3072, 576), (576, 1536))
"""Outputs and inputs of a layer's products."""

HEAD = (49_152, 576)
SAMPLED = 64
"""Rows that go through the output projection, at most: of a prompt only its last token does."""


DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def packed(outputs: int, inputs: int, dtype: torch.dtype) -> torch.Tensor:
    """Random weights as the kernel wants them."""
    weight = torch.empty(kernels.packed_shape(outputs, inputs), dtype=dtype)
    kernels.pack(normal(outputs, inputs, dtype=dtype), weight)
    return weight


def step_ms(rows: int, layers: Sequence[Sequence[torch.Tensor]], head: torch.Tensor) -> float:
    """Milliseconds of all products of a step with so many rows."""
    x = {inputs: normal(rows, inputs) for _, inputs in SHAPES}
    out = {outputs: torch.empty(rows, outputs) for outputs, _ in SHAPES}
    logits = torch.empty(min(rows, SAMPLED), HEAD[0])
    started = time.perf_counter()
    for layer in layers:
        for (outputs, inputs), weight in zip(SHAPES, layer, strict=True):
            kernels.packed_linear(x[inputs], weight, out[outputs])
    kernels.packed_linear(x[HEAD[1]][: len(logits)], head, logits)
    return (time.perf_counter() - started) * 1e3


def operations(rows: int) -> int:
    """Multiplications and additions in that step."""
    body = LAYERS * sum(outputs * inputs for outputs, inputs in SHAPES)
    return 2 * (rows * body + min(rows, SAMPLED) * HEAD[0] * HEAD[1])


def main() -> None:
    """A line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32, 64, 128, 512])
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="of the weights")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dtype = DTYPES[arguments.dtype]
    layers, head = [[packed(*shape, dtype) for shape in SHAPES] for _ in range(LAYERS)], packed(*HEAD, dtype)
    for rows in arguments.rows:
        best: dict[str, float] = {}
        for _ in range(arguments.rounds):
            for isa in kernels.supported_isas():
                kernels.use_isa(isa)
                best[isa] = min(best.get(isa, float("inf")), step_ms(rows, layers, head))
        figures = (f"{isa} {ms:7.1f} ms ({operations(rows) / ms / 1e6:4.0f} GFLOP/s)" for isa, ms in best.items())
        print(f"{rows:4} rows: " + ", ".join(figures), flush=True)


if __name__ == "__main__":
    main()
