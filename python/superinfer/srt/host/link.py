"""A link of a given speed between the pools of the CPU platform.

Both are in RAM, where a copy is done before anybody could look. A link that takes its time behaves as PCIe does: loads
go on beside the computation, layer by layer, and whoever reads too early waits. Tests and measurements need that.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sglang.srt.managers.cache_controller import LayerLoadingEvent
from sglang.srt.mem_cache.l2_transfer import L2TransferEngine, TransferCompletion

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often the copy of a layer is tried before the load counts as failed."""


class HostLoadError(RuntimeError):
    """KV could not be loaded from the host, and somebody was about to read it."""


class Done:
    """What SGLang asks of a device's event, for something that another thread does."""

    def __init__(self, *, done: bool = True) -> None:
        self._event = threading.Event()
        self._failure: Exception | None = None
        if done:
            self._event.set()

    def query(self) -> bool:
        """Whether it has happened."""
        return self._event.is_set()

    def record(self, stream: Any = None) -> None:
        """It has happened."""
        self._event.set()

    def fail(self, failure: Exception) -> None:
        """It will never happen: those who wait are told."""
        self._failure = failure
        self._event.set()

    def restart(self) -> None:
        """It is to happen again."""
        self._failure = None
        self._event.clear()

    def synchronize(self) -> None:
        """Wait until it has happened.

        Raises:
            HostLoadError: It will not.
        """
        self._event.wait()
        if self._failure is not None:
            raise HostLoadError(f"KV could not be loaded from the host: {self._failure}") from self._failure

    def wait(self, stream: Any = None) -> None:
        """As ``synchronize``: on the CPU, who computes and who waits are the same."""
        self.synchronize()


class _Restart(Done):
    """Recorded when a load begins, which makes its layers unfinished."""

    def __init__(self, layers: Sequence[Done]) -> None:
        super().__init__()
        self._layers = layers

    def record(self, stream: Any = None) -> None:
        for layer in self._layers:
            layer.restart()


class LinkedLayers(LayerLoadingEvent):
    """Which layers of a load have arrived."""

    def __init__(self, num_layers: int) -> None:
        self._num_layers = num_layers
        self.load_events = [Done() for _ in range(num_layers)]
        self.start_event = _Restart(self.load_events)

    def wait(self, layer_index: int) -> None:
        """Wait for a layer."""
        self.load_events[layer_index].wait()


class LinkedTransfers(L2TransferEngine):
    """Loads at the speed of the link, in order, in a thread of their own; backups at once.

    Args:
        io_backend: As SGLang's.
        bytes_per_s: Of the link.
        layers_of: The events of the load that starts.
    """

    def __init__(self, io_backend: str, bytes_per_s: int, layers_of: Callable[[], LinkedLayers]) -> None:
        super().__init__(io_backend)
        self._bytes_per_s = bytes_per_s
        self._layers_of = layers_of
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="superinfer-host-link")

    def submit_host_to_device(
        self, transfers: list[Any], *, transfer_layer_id_max: int, start_event: Any = None, on_layer_done: Any = None
    ) -> TransferCompletion:
        """Begin a load; its layers arrive one after the other."""
        finished = Done(done=False)
        self._thread.submit(self._load, transfers, self._layers_of(), finished)
        return TransferCompletion(Done(), finished, timing_enabled=False)

    def _load(self, transfers: list[Any], layers: LinkedLayers, finished: Done) -> None:
        arrives_s = time.monotonic()
        try:
            for layer, arrived in enumerate(layers.load_events):
                for transfer in transfers:
                    pool = transfer.host_pool
                    self._copy(transfer, layer)
                    layer_bytes = pool.size_per_token / pool.layer_num * len(transfer.host_indices)
                    arrives_s += layer_bytes / self._bytes_per_s
                time.sleep(max(0.0, arrives_s - time.monotonic()))
                arrived.record()
            finished.record()
        except Exception as failure:
            # Whoever waits ends the server with this: KV that did not arrive must not be read.
            logger.exception("A load from the host failed")
            for event in (*layers.load_events, finished):
                if event is finished or not event.query():
                    event.fail(failure)

    def _copy(self, transfer: Any, layer: int) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                transfer.host_pool.load_to_device_per_layer(
                    transfer.device_pool, transfer.host_indices, transfer.device_indices, layer, self.io_backend
                )
                return
            except Exception as error:
                if attempt == ATTEMPTS:
                    raise
                logger.warning("Loading layer %d from the host failed, trying again: %s", layer, error)


def install(controller: Any, bytes_per_s: int) -> None:
    """Put a link of this speed under SGLang's ``controller``."""
    counter = controller.layer_done_counter
    counter.events = [LinkedLayers(counter.num_layers) for _ in range(counter.num_counters)]
    controller.l2_transfer_engine = LinkedTransfers(
        controller.io_backend, bytes_per_s, lambda: counter.events[counter.producer_index]
    )
