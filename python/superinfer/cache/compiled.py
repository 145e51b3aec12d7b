"""Functions that numba compiles; the machine code is kept beside the source, or in the user's cache."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit  # type: ignore[import-untyped]

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The function as machine code.

    Without reordering of floating-point operations: ranks on like machines have to get like results.
    """
    return cast(F, njit(cache=True, fastmath=False)(function))
