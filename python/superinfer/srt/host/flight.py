"""Loads that were begun ahead of the requests that need them, and what of them is still on its way."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Load:
    """KV on its way from the host.

    Attributes:
        node: Handle of the tree's node up to which is loaded.
        namespace: Requests of another share no KV with this one.
        tokens: Token ids up to the end of what is loaded.
        start: From which of them on it is loaded; what is before is on the device.
        started_us: The tick at which it began.
        weight: Native tokens that take as long to load: fewer than it has where pages are sealed.
        ack: SGLang's, of its end.
    """

    node: Any
    namespace: str | None
    tokens: Sequence[int]
    start: int
    started_us: int
    weight: int
    ack: Any = None

    def is_read_by(self, req: Any) -> bool:
        """Whether the cached prefix of ``req``, which was just admitted, reaches into what is on its way."""
        if req.extra_key != self.namespace or req.prefix_len <= self.start:
            return False
        ids = req.origin_input_ids + req.output_ids
        reach = self.start + 1
        return len(ids) >= reach and array("q", ids[:reach]) == array("q", self.tokens[:reach])


class Flight:
    """The loads on their way. They arrive in the order in which they were begun.

    Args:
        tree_cache: SGLang's, with a host tier.
    """

    def __init__(self, tree_cache: Any) -> None:
        self._tree = tree_cache
        self._loads: list[Load] = []

    def __len__(self) -> int:
        return len(self._loads)

    def begin(self, load: Load) -> None:
        """``load`` was begun."""
        self._loads.append(load)

    def arrived(self) -> list[Load]:
        """Those that have arrived on all ranks since the last call."""
        done = [load for load in self._loads if load.node not in self._tree.ongoing_load_back]
        self._loads = [load for load in self._loads if load.node in self._tree.ongoing_load_back]
        return done

    def forget(self, node: Any) -> None:
        """The load up to ``node`` has failed, and was seen to."""
        self._loads = [load for load in self._loads if load.node != node]

    def wait_index(self, batch: Any) -> int:
        """The load that ``batch`` has to wait for, by SGLang's number; -1 for none.

        SGLang lets a batch wait for what it loads itself, and those that decode afterwards wait again, although all of
        it has arrived by then. A prefix that was loaded ahead is found in the tree from the moment its load begins, and
        would be read half-written: whoever comes in with it waits for the last load that began.
        """
        if not batch.forward_mode.is_extend():
            return -1
        own = int(batch.hicache_consumer_index)
        if own >= 0 or not self._loads:
            return own
        beside = set(batch.decoding_reqs or ())
        came_in = [req for req in batch.reqs if req not in beside]
        if any(load.is_read_by(req) for load in self._loads for req in came_in):
            return int(self._tree.cache_controller.layer_done_counter.producer_index)
        return -1

    def wait(self) -> None:
        """Wait until everything has arrived."""
        for ack in self._tree.cache_controller.ack_load_queue:
            ack.finish_event.synchronize()
        self._tree.check_hicache_events()
