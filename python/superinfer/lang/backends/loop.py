"""An event loop in a thread of its own: where blocking programs leave what can be awaited."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs an event loop in the background, unless it is running already.

    Args:
        loop: A loop to run; a new one if not given.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.new_event_loop()
        self._is_own = loop is None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        if not self.loop.is_running():
            self._start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have ``work`` awaited. Cancelling the future cancels it.

        Raises:
            RuntimeError: The loop is closed to us: nobody would ever await it.
        """
        with self._lock:
            if self._thread is None and not self.loop.is_running():
                work.close()
                raise RuntimeError("the backend is closed")
            return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the result of ``work``."""
        return self.submit(work).result()

    def runs_here(self) -> bool:
        """Whether the current thread is the one that runs the loop."""
        return asyncio._get_running_loop() is self.loop

    @contextmanager
    def lent(self) -> Iterator[asyncio.AbstractEventLoop]:
        """The loop at rest, for code that runs it itself. What is under way goes on there, and afterwards here.

        Raises:
            RuntimeError: Someone else runs the loop.
        """
        with self._lock:
            if self._thread is None:
                raise RuntimeError(
                    "this backend does not run the engine's event loop: await the engine's methods there"
                )
            self._stop()
            try:
                yield self.loop
            finally:
                self._start()

    def close(self) -> None:
        """End the thread. A loop that was given stays usable for its owner."""
        with self._lock:
            if self._thread is not None:
                self._stop()
            if self._is_own:
                self.loop.close()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self.loop.run_forever, name="superinfer-loop", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        thread, self._thread = self._thread, None
        self.loop.call_soon_threadsafe(self.loop.stop)
        if thread is not None:
            thread.join()
