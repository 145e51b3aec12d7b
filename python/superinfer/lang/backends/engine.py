"""An engine in this process."""

from asyncio import CancelledError
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from superinfer.lang.backends.base import Payload, ServerBackend
from superinfer.lang.backends.loop import LoopThread
from superinfer.lang.errors import BackendError


class EngineBackend(ServerBackend):
    """A ``superinfer.Engine`` or ``sglang.Engine``, made beforehand and shut down by whoever made it.

    The engine's blocking methods run its event loop, one call at a time. Here it runs in a thread, so that programs
    and their forks generate side by side. Use ``lent()`` for calls of your own.

    Args:
        engine: The engine.
        chat_template: Name of one of SGLang's chat templates; chosen by the model's path if not given.
    """

    def __init__(self, engine: Any, *, chat_template: str | None = None) -> None:
        super().__init__(LoopThread(engine.loop), chat_template)
        self._engine = engine

    @property
    def model_path(self) -> str:
        """Path of the model."""
        return str(self._manager.model_path)

    async def generate(self, payload: Payload) -> Any:
        """See ``ServerBackend``."""
        request = _request(payload)
        try:
            return await anext(self._manager.generate_request(request, None))
        except CancelledError:
            self._abort(request)
            raise

    async def stream(self, payload: Payload) -> AsyncIterator[dict[str, Any]]:
        """See ``ServerBackend``."""
        request = _request({**payload, "stream": True})
        complete = False
        try:
            async for chunk in self._manager.generate_request(request, None):
                yield chunk
            complete = True
        finally:
            if not complete:
                self._abort(request)

    async def hint(self, request_id: str, said: Payload) -> None:
        """See ``ServerBackend``."""
        if not hasattr(self._manager, "send_hint"):
            raise BackendError("an engine of SGLang's hears no hints")
        try:
            await self._manager.send_hint(request_id, said)
        except LookupError as error:
            raise BackendError(str(error), 404) from None

    def flush_cache(self) -> Any:
        """Empty the prefix cache; the engine does it only while it is idle."""
        return self._call("flush_cache")

    def get_server_info(self) -> dict[str, Any]:
        """The engine's settings and state."""
        info: dict[str, Any] = self._call("get_server_info")
        return info

    def start_profile(self) -> None:
        """Start the engine's profiler."""
        self._call("start_profile")

    def stop_profile(self) -> None:
        """Stop the engine's profiler, which then writes its traces."""
        self._call("stop_profile")

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """The engine, for blocking calls such as ``engine.generate`` in a thread that runs no event loop.

        What programs have under way goes on, and new calls wait.

        Raises:
            RuntimeError: The engine was made in a running event loop; await its methods there.
        """
        with self.loop.lent():
            yield self._engine

    def _call(self, method: str) -> Any:
        def call() -> Any:
            with self.lent() as engine:
                return getattr(engine, method)()

        # Not in this thread: in a notebook it runs an event loop, and can then run no other.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(call).result()

    @property
    def _manager(self) -> Any:
        # ``Engine.async_generate`` hands over to it, but lacks what ``select`` needs: the text of scored tokens.
        return self._engine.tokenizer_manager

    def _abort(self, request: Any) -> None:
        # Several answers to one prompt get other ids inside the engine: those run to their end.
        if isinstance(request.rid, str):
            self._manager.abort_request(request.rid)


def _request(payload: Payload) -> Any:
    """The body of a ``/generate`` as the engine takes it."""
    from sglang.srt.managers.io_struct import GenerateReqInput

    request = GenerateReqInput(**payload)
    if isinstance(payload.get("text"), str):
        request.rid = uuid4().hex
    return request
