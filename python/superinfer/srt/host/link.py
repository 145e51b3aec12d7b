"""Copies between the pools of the CPU platform: over a link of a given speed, and with failures that a server survives.

Both pools are in RAM, where a copy is done before anybody could look. A link that takes its time behaves as PCIe does:
loads go on beside the computation, layer by layer, and whoever reads too early waits. Tests and measurements need that.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

from sglang.srt.managers.cache_controller import LayerLoadingEvent
from sglang.srt.mem_cache.l2_transfer import L2TransferEngine, TransferCompletion

from superinfer.srt.kv.host_pool import MixedKVPoolHost

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a copy is tried before it counts as failed."""


class HostLoadError(RuntimeError):
    """KV could not be loaded from the host, and somebody was about to read it."""


class TooSlowError(RuntimeError):
    """A load was given up, as computing is faster."""


class Done:
    """What SGLang asks of a device's event, for something that another thread does."""

    def __init__(self, *, done: bool = True) -> None:
        self._event = threading.Event()
        self.failure: Exception | None = None
        self._raises = False
        if done:
            self._event.set()

    def query(self) -> bool:
        """Whether it has happened."""
        return self._event.is_set()

    def record(self, stream: Any = None) -> None:
        """It has happened."""
        self._event.set()

    def fail(self, failure: Exception, *, raises: bool) -> None:
        """It will never happen: those who wait go on with an error, or look at ``failure`` themselves."""
        self.failure, self._raises = failure, raises
        self._event.set()

    def restart(self) -> None:
        """It is to happen again."""
        self.failure, self._raises = None, False
        self._event.clear()

    def happens_before(self, deadline_s: float) -> bool:
        """Wait until then, by ``time.monotonic``, and say whether it has happened."""
        return self._event.wait(None if deadline_s == inf else max(deadline_s - time.monotonic(), 0.0))

    def synchronize(self) -> None:
        """Wait until it has happened, or will not.

        Raises:
            HostLoadError: It will not, and nobody looks at ``failure``.
        """
        self._event.wait()
        if self.failure is not None and self._raises:
            raise HostLoadError(f"KV could not be loaded from the host: {self.failure}") from self.failure

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
    """Which layers of a load have arrived.

    Args:
        num_layers: Of the model.
        lose_patience: Gives up the loads that are on their way.
    """

    def __init__(self, num_layers: int, lose_patience: Callable[[], None]) -> None:
        self._num_layers = num_layers
        self._lose_patience = lose_patience
        self.deadline_s = inf
        self.load_events = [Done() for _ in range(num_layers)]
        self.start_event = _Restart(self.load_events)

    def wait(self, layer_index: int) -> None:
        """Wait for a layer, until ``deadline_s``."""
        event = self.load_events[layer_index]
        if not event.happens_before(self.deadline_s):
            self._lose_patience()
        event.wait()


class LinkedTransfers(L2TransferEngine):
    """Loads at the speed of the link, in order, in a thread of their own; backups at once.

    Args:
        io_backend: As SGLang's.
        bytes_per_s: Of the link; 0 copies at once.
        layers_of: The events of the load that starts.

    Attributes:
        recovers: Whether somebody looks after what has failed. If not, it is an error for whoever waits.
    """

    def __init__(self, io_backend: str, bytes_per_s: int, layers_of: Callable[[], LinkedLayers]) -> None:
        super().__init__(io_backend)
        self.recovers = False
        self._bytes_per_s = bytes_per_s
        self._layers_of = layers_of
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="superinfer-host-link")
        self._under_way: list[threading.Event] = []

    def submit_device_to_host(self, transfers: list[Any]) -> TransferCompletion:
        """Copy to the host, at once."""
        finished = Done(done=False)
        try:
            for transfer in transfers:
                self.store(transfer)
            finished.record()
        except Exception as failure:
            if not self.recovers:
                raise
            logger.exception("Copying KV to the host failed: it is not kept there")
            finished.fail(failure, raises=False)
        return TransferCompletion(Done(), finished, timing_enabled=False)

    def submit_host_to_device(
        self, transfers: list[Any], *, transfer_layer_id_max: int, start_event: Any = None, on_layer_done: Any = None
    ) -> TransferCompletion:
        """Begin a load; its layers arrive one after the other."""
        finished, given_up = Done(done=False), threading.Event()
        layers = self._layers_of()
        layers.deadline_s = inf
        if self._bytes_per_s:
            self._under_way.append(given_up)
            self._thread.submit(self._load, transfers, layers, finished, given_up)
        else:
            self._load(transfers, layers, finished, given_up)
        return TransferCompletion(Done(), finished, timing_enabled=False)

    def give_up(self) -> None:
        """The loads on their way end as failed, before their next layer."""
        for given_up in list(self._under_way):
            given_up.set()

    def _load(self, transfers: list[Any], layers: LinkedLayers, finished: Done, given_up: threading.Event) -> None:
        arrives_s = time.monotonic()
        try:
            for layer, arrived in enumerate(layers.load_events):
                for transfer in transfers:
                    pool = transfer.host_pool
                    self._copy(transfer, layer)
                    layer_bytes = bytes_of(pool, transfer.host_indices) / pool.layer_num
                    arrives_s += layer_bytes / self._bytes_per_s if self._bytes_per_s else 0.0
                if given_up.wait(max(0.0, arrives_s - time.monotonic())):
                    raise TooSlowError("it takes longer than computing")
                arrived.record()
            finished.record()
        except Exception as failure:
            # KV that did not arrive must not be read: whoever waits ends with this, or sees to it.
            logger.exception("A load of KV from the host failed")
            for event in (finished, *layers.load_events):  # the last layer says that the load is over
                if event is finished or not event.query():
                    event.fail(failure, raises=not self.recovers)
        finally:
            if given_up in self._under_way:
                self._under_way.remove(given_up)

    def store(self, transfer: Any) -> None:
        """Copy to the host; tried a few times."""
        store = transfer.host_pool.backup_from_device_all_layer
        arguments = (transfer.device_pool, transfer.host_indices, transfer.device_indices, self.io_backend)
        _tried(lambda: store(*arguments), "Copying to the host")

    def _copy(self, transfer: Any, layer: int) -> None:
        load = transfer.host_pool.load_to_device_per_layer
        arguments = (transfer.device_pool, transfer.host_indices, transfer.device_indices, layer, self.io_backend)
        _tried(lambda: load(*arguments), f"Loading layer {layer} from the host")


def bytes_of(host_pool: Any, host_indices: Any) -> int:
    """Bytes that the KV with these slots takes on the host, in all layers."""
    if isinstance(host_pool, MixedKVPoolHost):
        return host_pool.arena.bytes(host_pool.units(host_pool.formats(host_indices)))
    return int(host_pool.size_per_token * len(host_indices))


def _tried(copy: Callable[[], None], what: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            copy()
            return
        except Exception as error:
            if attempt == ATTEMPTS:
                raise
            logger.warning("%s failed, trying again: %s", what, error)


def install(controller: Any, bytes_per_s: int) -> None:
    """Put a link of this speed under SGLang's ``controller``; 0 copies at once."""
    counter = controller.layer_done_counter
    link = LinkedTransfers(controller.io_backend, bytes_per_s, lambda: counter.events[counter.producer_index])
    counter.events = [LinkedLayers(counter.num_layers, link.give_up) for _ in range(counter.num_counters)]
    controller.l2_transfer_engine = link
