"""Compiling for a GPU that is not there, and what the machine code needs."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget

from superinfer.kernels.triton.variants import Variant

ARCHITECTURES = (80, 90)
USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+)")


@dataclass(frozen=True, slots=True)
class Resources:
    """What one variant needs.

    Attributes:
        registers: Of a thread.
        stack_bytes: Of a thread: where registers spill to, which none of our kernels uses otherwise.
        shared_bytes: Of a program.
    """

    registers: int
    stack_bytes: int
    shared_bytes: int


def measure(variant: Variant, architecture: int) -> Resources:
    """Compile a variant for this compute capability (80 is 8.0) and look into the result.

    Raises:
        RuntimeError: The disassembler's answer is not understood.
    """
    target = GPUTarget("cuda", architecture, 32)
    compiled = triton.compile(variant.source(), target=target, options=dict(variant.blocks.options))
    registers, stack, static_shared = _usage(compiled.asm["cubin"])
    return Resources(registers, stack, static_shared + compiled.metadata.shared)


def _usage(cubin: bytes) -> tuple[int, int, int]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", path]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = USAGE.search(text)
    if found is None:
        raise RuntimeError(f"cuobjdump names no resources of the kernel: {text!r}")
    return int(found[1]), int(found[2]), int(found[3])
