"""A server reached over HTTP."""

import json
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Self

from superinfer.lang.backends.base import Payload, ServerBackend
from superinfer.lang.backends.loop import LoopThread
from superinfer.lang.errors import BackendError

if TYPE_CHECKING:
    import httpx

KEEPALIVE_S: Final = 2.0
"""An idle connection is given up before the server does it (uvicorn: after 5 s): no request meets a closing one."""

DONE: Final = "[DONE]"


class HTTPBackend(ServerBackend):
    """An SGLang or SuperInfer server at an address. Asks it for its model at once, so that a wrong address fails here.

    Args:
        base_url: Such as ``http://127.0.0.1:30000``.
        api_key: Sent as bearer token.
        verify: Whether to verify TLS certificates, or the path of a bundle of authorities to do it with.
        chat_template: Name of one of SGLang's chat templates; chosen by the model's path if not given.
        timeout_s: Longest silence of the server within an answer, in s; a deadline is the better tool. ``None`` waits.

    Raises:
        BackendError: The server refuses us.
        httpx.TransportError: It cannot be reached.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        verify: bool | str = True,
        chat_template: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        super().__init__(LoopThread(), chat_template)
        self.base_url = base_url.rstrip("/")
        self._client = _client(self.base_url, api_key, verify, timeout_s)
        try:
            self.model_info: dict[str, Any] = self.loop.run(self._json("GET", "/model_info"))
        except BaseException:
            self.close()
            raise

    @property
    def model_path(self) -> str:
        """Path or name of the model, as the server knows it."""
        return str(self.model_info["model_path"])

    async def generate(self, payload: Payload) -> Any:
        """See ``ServerBackend``."""
        return await self._json("POST", "/generate", json=payload)

    async def stream(self, payload: Payload) -> AsyncIterator[dict[str, Any]]:
        """See ``ServerBackend``."""
        request = self._client.stream("POST", "/generate", json={**payload, "stream": True})
        async with request as response:
            if response.is_error:
                await response.aread()
                raise _error(response)
            async for line in response.aiter_lines():
                data = line.removeprefix("data:").strip()
                if data == DONE:
                    return
                if data:
                    yield _chunk(data)

    async def hint(self, request_id: str, said: Payload) -> None:
        """See ``ServerBackend``."""
        await self._send("POST", "/superinfer/hint", json={"id": request_id, **said})

    def flush_cache(self) -> None:
        """Empty the prefix cache; the server does it only while it is idle.

        Raises:
            BackendError: The server refused it.
        """
        self.loop.run(self._send("POST", "/flush_cache"))

    def get_server_info(self) -> dict[str, Any]:
        """The server's settings and state."""
        info: dict[str, Any] = self.loop.run(self._json("GET", "/server_info"))
        return info

    def start_profile(self) -> None:
        """Start the server's profiler."""
        self.loop.run(self._send("POST", "/start_profile"))

    def stop_profile(self) -> None:
        """Stop the server's profiler, which then writes its traces."""
        self.loop.run(self._send("POST", "/stop_profile"))

    def close(self) -> None:
        """Close the connections. May be called again."""
        if not self._client.is_closed:
            self.loop.run(self._client.aclose())
            super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def _send(self, method: str, path: str, **kwargs: Any) -> "httpx.Response":
        response = await self._client.request(method, path, **kwargs)
        if response.is_error:
            raise _error(response)
        return response

    async def _json(self, method: str, path: str, **kwargs: Any) -> Any:
        return (await self._send(method, path, **kwargs)).json()


def _client(base_url: str, api_key: str | None, verify: bool | str, timeout_s: float | None) -> "httpx.AsyncClient":
    # Not needed to define a program, and not light: it brings a command line of its own.
    import httpx

    return httpx.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        verify=ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify,
        timeout=httpx.Timeout(timeout_s, connect=10.0),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=KEEPALIVE_S),
    )


def _chunk(data: str) -> dict[str, Any]:
    chunk: dict[str, Any] = json.loads(data)
    if error := chunk.get("error"):
        raise BackendError(str(error.get("message", error) if isinstance(error, dict) else error))
    return chunk


def _error(response: "httpx.Response") -> BackendError:
    """What the server says is wrong, without the envelope that it says it in."""
    reason: Any = response.text
    try:
        reason = response.json()
        for key in ("error", "message", "detail"):
            reason = reason.get(key, reason) if isinstance(reason, dict) else reason
    except ValueError:
        pass
    return BackendError(f"{response.request.url.path} answered {response.status_code}: {reason}", response.status_code)
