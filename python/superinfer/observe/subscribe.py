"""A watcher's end: batches in."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import msgspec
import zmq

from superinfer.observe.delivery import Continuity, Delivery
from superinfer.observe.errors import ObserveError
from superinfer.observe.events import EventBatch
from superinfer.observe.publisher import TOPIC


class Subscriber:
    """Reads what an ``EventPublisher`` sends. A context manager.

    Attributes:
        endpoint: Where the publisher is.
    """

    def __init__(self, endpoint: str, *, waiting_batches: int = 10_000) -> None:
        """Connect; a publisher that is not there yet is waited for.

        Args:
            endpoint: ZeroMQ address, such as ``tcp://127.0.0.1:5556``.
            waiting_batches: Batches that may wait here to be read.

        Raises:
            ObserveError: It is no address.
        """
        self.endpoint = endpoint
        self._continuity = Continuity()
        self._decoder = msgspec.msgpack.Decoder(EventBatch)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        try:
            self._socket.set_hwm(waiting_batches)
            self._socket.subscribe(TOPIC)
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ObserveError(f"events cannot be read from {endpoint}: {error.strerror}") from None

    def receive(self, for_s: float) -> Iterator[Delivery]:
        """Yield batches as they arrive, until ``for_s`` seconds have passed.

        Raises:
            ObserveError: What arrives is no batch of events.
        """
        until_s = time.monotonic() + for_s
        while self._socket.poll(max(0, round((until_s - time.monotonic()) * 1000))):
            batch = self._decode(self._socket.recv_multipart()[-1])
            yield Delivery(batch, self._continuity.see(batch))
            if time.monotonic() >= until_s:
                break

    def close(self) -> None:
        """Stop reading."""
        self._socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self, payload: bytes) -> EventBatch:
        try:
            return self._decoder.decode(payload)
        except msgspec.DecodeError as error:
            raise ObserveError(f"{self.endpoint} sent what is no batch of events: {error}") from None
