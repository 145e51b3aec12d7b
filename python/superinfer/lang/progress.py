"""Reading a program's text while it is written, from threads and from event loops."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any


class Progress:
    """Says that something changed. Takes the place of the event that SGLang's executor sets at every chunk.

    Any number of readers may wait, each at its own pace, and a waiting coroutine occupies no thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._version = 0
        self._wakers: set[Callable[[], None]] = set()

    def set(self) -> None:
        """Wake all who wait."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()
            wakers = tuple(self._wakers)
        for wake in wakers:
            wake()

    def wait(self, seen: int) -> int:
        """Block until the version differs from ``seen``; returns it."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen)
            return self._version

    async def wait_async(self, seen: int) -> int:
        """The same without blocking the event loop."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        with self._changed:
            if self._version != seen:
                return self._version
            self._wakers.add(wake)
        try:
            await changed.wait()
        finally:
            with self._changed:
                self._wakers.discard(wake)
        return self._version


class Reader:
    """What is new in an executor's text, or in one variable, since the last look.

    Args:
        executor: A streaming executor.
        name: A variable, or ``None`` for the whole text.
    """

    def __init__(self, executor: Any, name: str | None) -> None:
        self._executor = executor
        self._name = name
        self._length = 0

    def __iter__(self) -> Iterator[str]:
        """Chunks as they come, until the text or the variable is complete.

        Raises:
            Exception: What stopped the program, after the chunks that came before.
        """
        seen, done = -1, False
        while not done:
            seen = self._executor.progress.wait(seen)
            chunk, done = self._look()
            if chunk:
                yield chunk
        self._executor.raise_error(self._name)

    async def __aiter__(self) -> AsyncIterator[str]:
        """The same for ``async for``."""
        seen, done = -1, False
        while not done:
            seen = await self._executor.progress.wait_async(seen)
            chunk, done = self._look()
            if chunk:
                yield chunk
        self._executor.raise_error(self._name)

    def _look(self) -> tuple[str, bool]:
        # Completeness first: what is complete now is all there in the line after.
        done = self._executor.is_complete(self._name)
        text = self._executor.text_ if self._name is None else self._executor.variables.get(self._name, "")
        chunk = str(text)[self._length :]
        self._length += len(chunk)
        return chunk, done
