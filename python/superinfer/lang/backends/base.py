"""What the backends for our own server have in common, over HTTP or in this process."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from superinfer.lang.backends.loop import LoopThread

if TYPE_CHECKING:
    from superinfer.lang.backends.endpoint import Endpoint

Payload = dict[str, Any]
"""The body of ``POST /generate``."""


class ServerBackend(ABC):
    """An SGLang or SuperInfer server.

    Args:
        loop: Where its coroutines run.
        chat_template: Name of one of SGLang's chat templates; chosen by the model's path if ``None``.
    """

    def __init__(self, loop: LoopThread, chat_template: str | None = None) -> None:
        self.loop = loop
        self.chat_template = chat_template

    @cached_property
    def endpoint(self) -> "Endpoint":
        """The backend as ``sglang.lang`` knows it. Stock SGLang programs can use it, too."""
        from superinfer.lang.backends.endpoint import Endpoint

        return Endpoint(self)

    @property
    @abstractmethod
    def model_path(self) -> str:
        """Path or name of the model."""

    @abstractmethod
    async def generate(self, payload: Payload) -> Any:
        """The answer to one request, or the list of answers if it asks for several.

        Cancelling it makes the server drop the request.

        Raises:
            BackendError: The server refused it.
        """

    @abstractmethod
    def stream(self, payload: Payload) -> AsyncIterator[dict[str, Any]]:
        """Answers that grow, the last one complete. Closing it makes the server drop the request.

        Raises:
            BackendError: The server refused it.
        """

    @abstractmethod
    async def hint(self, request_id: str, said: Payload) -> None:
        """Say what comes after the answer to a request: ``back_ms``, ``pin_ms`` or ``ends``.

        Raises:
            BackendError: The server knows of no such request, or has no use for hints.
        """

    @abstractmethod
    def flush_cache(self) -> Any:
        """Empty the prefix cache."""

    @abstractmethod
    def get_server_info(self) -> dict[str, Any]:
        """The server's settings and state."""

    @abstractmethod
    def start_profile(self) -> None:
        """Start the server's profiler."""

    @abstractmethod
    def stop_profile(self) -> None:
        """Stop the server's profiler, which then writes its traces."""

    def close(self) -> None:
        """Release what the backend holds. The server goes on."""
        self.loop.close()
