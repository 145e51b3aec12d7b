"""Runs the Triton kernels on CPU tensors, in a process of its own.

Triton decides when it is imported whether kernels are interpreted; the tests' own process has often imported it
already, and compiles kernels with it.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def _as_float32(handle: Any) -> Any:
    """Triton's interpreter keeps bfloat16 as its bits in uint16."""
    from triton import language as tl
    from triton.runtime.interpreter import TensorHandle

    if handle.dtype.scalar != tl.bfloat16:
        return handle
    bits = torch.from_numpy(np.ascontiguousarray(handle.data)).view(torch.bfloat16)
    return TensorHandle(bits.float().numpy(), tl.float32)


def _repair_bfloat16() -> None:
    """Triton 3.9's interpreter multiplies the bits of bfloat16 as integers, and truncates when it converts to it."""
    from triton import language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    multiply, cast = InterpreterBuilder.create_dot, InterpreterBuilder.cast_impl

    def create_dot(self: Any, a: Any, b: Any, *others: Any) -> Any:
        return multiply(self, _as_float32(a), _as_float32(b), *others)

    def cast_impl(self: Any, source: Any, target: Any) -> Any:
        if target.scalar != tl.bfloat16:
            return cast(self, _as_float32(source), target)
        numbers = torch.from_numpy(np.ascontiguousarray(_as_float32(source).data)).bfloat16()
        return TensorHandle(numbers.view(torch.uint16).numpy(), tl.bfloat16)

    InterpreterBuilder.create_dot, InterpreterBuilder.cast_impl = create_dot, cast_impl


def _start() -> None:
    os.environ["TRITON_INTERPRET"] = "1"
    torch.set_num_threads(1)
    np.seterr(all="ignore")  # infinities, NaN and overflow are among the inputs
    _repair_bfloat16()


def _run(call: Call) -> tuple[Any, ...]:
    from superinfer.kernels import triton as kernels

    name, arguments, options = call
    getattr(kernels, name)(*arguments, **options)
    return arguments


class Interpreter:
    """The process that interprets."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def __call__(self, name: str, *arguments: Any, **options: Any) -> tuple[Any, ...]:
        """Run a kernel; the arguments as it left them."""
        return self._pool.submit(_run, (name, arguments, options)).result()


@contextmanager
def interpreter() -> Iterator[Interpreter]:
    """An interpreter that ends with the block."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_start) as pool:
        yield Interpreter(pool)
