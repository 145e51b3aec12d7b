"""Threads for programs: one of its own for each, and never more of them than asked for."""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

MAX_AUTO_THREADS: Final = 128
"""They wait for a server: how many are useful depends on its batch, not on this machine's cores."""

T = TypeVar("T")
Item = TypeVar("Item")


async def in_own_thread(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Run blocking ``work`` in a new thread and await its result.

    Not ``asyncio.to_thread``: its pool has five threads more than the machine has cores, and a program that waits
    for an answer would hold one of them. A thread that waits costs a few dozen KiB.

    Args:
        work: Blocks.
        cancel: Called when the awaiting task is cancelled; makes ``work`` come to its end. Must not block.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[Future[T]] = loop.create_future()
    outcome: Future[T] = Future()

    def deliver() -> None:
        if not finished.done():
            finished.set_result(outcome)

    def target() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)
        # A closed loop has nobody waiting in it.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver)

    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(target,), name="superinfer-program", daemon=True).start()
    try:
        return (await finished).result()
    except asyncio.CancelledError:
        cancel()
        raise


def in_order(
    work: Callable[[Item], T], items: Iterable[Item], num_threads: int, give_up: Callable[[], None]
) -> Iterator[T]:
    """Results of ``work`` for each item, in the order of the items, ``num_threads`` at a time.

    Works ahead of its consumer by twice the number of threads at most: the results of a long batch need not fit into
    memory.

    Args:
        work: Blocks.
        items: What to work on.
        num_threads: How many at a time.
        give_up: Called when a result is an error, or when the consumer stops early; makes ``work`` come to its end.
    """
    ahead: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="superinfer-batch")
    try:
        for item in items:
            ahead.append(pool.submit(contextvars.copy_context().run, work, item))
            if len(ahead) >= 2 * num_threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        give_up()
        raise
    finally:
        pool.shutdown()


def count(num_threads: Any, programs: int) -> int:
    """Threads for a batch of ``programs``: as many, at most ``num_threads``, at least one.

    Raises:
        ValueError: Neither ``"auto"`` nor a positive number.
    """
    if num_threads == "auto":
        num_threads = MAX_AUTO_THREADS
    if not isinstance(num_threads, int) or num_threads < 1:
        raise ValueError(f'num_threads must be "auto" or a positive number, not {num_threads!r}')
    return max(1, min(programs, num_threads))
