"""The scheduler's end: events out, at the price of an append."""

import threading
import time
from collections import deque
from contextlib import suppress
from typing import Final, Protocol

import msgspec
import zmq

from superinfer.observe.errors import ObserveError
from superinfer.observe.events import AnyEvent, EventBatch

TOPIC: Final = b"superinfer.events"

HEARTBEAT_S: Final = 1.0
"""Longest silence: an empty batch tells watchers that the publisher lives, and whether it dropped anything."""

_BATCH_EVENTS: Final = 512
"""Encoding holds the interpreter's lock, for about 0.1 ms with so many events."""

_LINGER_MS: Final = 200


class Publisher(Protocol):
    """Where the scheduler leaves its events."""

    def emit(self, event: AnyEvent, /) -> None:
        """Take ``event`` without waiting for anything."""

    def close(self) -> None:
        """Send what was emitted, and stop."""


class NullPublisher:
    """Publishes nothing."""

    def emit(self, event: AnyEvent, /) -> None:
        """Forget ``event``."""

    def close(self) -> None:
        """Do nothing."""


class EventPublisher:
    """Sends events to whoever listens; loses some rather than wait.

    ``emit`` belongs to one thread. Another takes the events from a bounded queue and sends them, in batches, through a
    ZeroMQ PUB socket. When the queue is full its oldest events are dropped; when a watcher is slow the socket drops
    batches for that watcher. Watchers can see both: see ``EventBatch``.

    Attributes:
        endpoint: Where watchers connect: as given, with a wildcard port filled in.
        dropped: Events dropped so far because the queue was full.
    """

    def __init__(
        self, endpoint: str, *, capacity: int = 16_384, flush_ms: int = 20, watcher_batches: int = 1_000
    ) -> None:
        """Bind, and start to send.

        Args:
            endpoint: ZeroMQ address, such as ``tcp://127.0.0.1:5556``; port ``*`` takes any that is free.
            capacity: Events that may wait to be sent.
            flush_ms: Time between two looks at the queue.
            watcher_batches: Batches that may wait for one watcher.

        Raises:
            ObserveError: Nothing can be bound there.
        """
        self.dropped = 0
        self._queue: deque[AnyEvent] = deque()
        self._capacity = capacity
        self._flush_s = flush_ms / 1000
        self._encoder = msgspec.msgpack.Encoder()
        self._next_seq = 0
        self._sent_s = 0.0
        self._context = zmq.Context()
        self._socket = self._bind(endpoint, watcher_batches)
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="superinfer-events", daemon=True)
        self._thread.start()

    def emit(self, event: AnyEvent, /) -> None:
        """Queue ``event``, in place of the oldest if there is no room."""
        queue = self._queue
        if len(queue) >= self._capacity:
            with suppress(IndexError):  # the other thread may just have emptied it
                queue.popleft()
                self.dropped += 1
        queue.append(event)

    def close(self) -> None:
        """Send what was emitted, and stop; waits for watchers only briefly."""
        self._closing.set()
        self._thread.join()

    def _bind(self, endpoint: str, watcher_batches: int) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.PUB)
        try:
            socket.set_hwm(watcher_batches)
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            self._context.term()
            raise ObserveError(f"events cannot be published on {endpoint}: {error.strerror}") from None
        return socket

    # The other thread; the socket is its own from here on.

    def _run(self) -> None:
        while not self._closing.wait(self._flush_s):
            self._flush()
            if time.monotonic() - self._sent_s >= HEARTBEAT_S:
                self._send([])
        self._flush()
        self._socket.close(linger=_LINGER_MS)
        self._context.term()

    def _flush(self) -> None:
        while events := self._take():
            self._send(events)

    def _take(self) -> list[AnyEvent]:
        events: list[AnyEvent] = []
        with suppress(IndexError):
            while len(events) < _BATCH_EVENTS:
                events.append(self._queue.popleft())
        return events

    def _send(self, events: list[AnyEvent]) -> None:
        batch = EventBatch(self._next_seq, time.perf_counter_ns() // 1000, events, self.dropped)
        self._next_seq += 1
        self._sent_s = time.monotonic()
        self._socket.send_multipart([TOPIC, self._encoder.encode(batch)])
