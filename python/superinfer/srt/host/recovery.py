"""After a copy between device and host has failed: what did not arrive leaves the tree and is computed again."""

import logging
import time
from collections.abc import Collection, Sequence
from typing import Any

from superinfer.srt.cache.losses import drop_prefix, first_after
from superinfer.srt.cache.radix_cache import LearnedRadixCache
from superinfer.srt.host.faults import Faults, watch
from superinfer.srt.host.flight import Flight, Load

logger = logging.getLogger(__name__)


class Recovery:
    """For our radix cache over our copies. With SGLang's cache, or its copies, a failure is an error.

    Args:
        cache: With a host tier.
        faults: Of its copies.
    """

    def __init__(self, cache: LearnedRadixCache, faults: Faults) -> None:
        self._cache, self._faults = cache, faults
        cache.faults = faults

    @classmethod
    def of(cls, tree_cache: Any) -> "Recovery | None":
        """Of this cache; ``None`` where there is none."""
        faults = watch(tree_cache) if isinstance(tree_cache, LearnedRadixCache) else None
        return None if faults is None else cls(tree_cache, faults)

    def as_dict(self) -> dict[str, int]:
        """For ``/superinfer/state``."""
        return {f"{name}_tokens": count for name, count in self.by_what().items()}

    def by_what(self) -> dict[str, int]:
        """Tokens since the start, as the metrics name what was done with them."""
        lost = {f"{what}_failed": tokens for what, tokens in self._faults.lost.items()}
        host = self._cache.tree_core.host
        return lost if host is None else lost | {"discarded": host.discarded_tokens, "evicted": host.evicted_tokens}

    def be_patient(self, index: int, patience_us: int) -> None:
        """The next step waits for the load of this number, by SGLang's count, no longer than so."""
        events = self._cache.cache_controller.layer_done_counter.events
        events[index].deadline_s = time.monotonic() + patience_us / 1e6

    def under_way_tokens(self) -> int:
        """Tokens of the loads that were not seen to arrive."""
        return sum(int(ack.num_tokens) for ack in self._cache.cache_controller.ack_load_queue)

    def ended(self, loads: Sequence[Load]) -> list[Load]:
        """Those of these loads, which have ended, that have failed."""
        lost = self._faults.failed_loads([load.ack for load in loads])
        return [load for load in loads if any(load.ack is ack for ack in lost)]

    def failed(self) -> list[tuple[int, int]]:
        """Loads that have failed and that SGLang has not seen the end of: node and first token."""
        acks = self._faults.failed_loads(self._cache.cache_controller.ack_load_queue)
        return [(node, self._cache.tree_core.loads[node]) for ack in acks for node in ack.node_ids]

    def readers(self, failed: Collection[tuple[int, int]], reqs: Collection[Any]) -> list[Any]:
        """Those of ``reqs`` that have read what did not arrive."""
        tops = {top.id for top in (first_after(self._cache, *load) for load in failed) if top is not None}
        return [
            req for req in reqs if req.last_node is not None and tops & self._cache.path_tokens(req.last_node).keys()
        ]

    def finish(self, failed: Collection[tuple[int, int]], flight: Flight) -> None:
        """Nobody reads these loads any more: end them, and take what they were to bring out of the tree."""
        cache = self._cache
        for ack in cache.cache_controller.ack_load_queue:
            ack.node_ids[:] = [node for node in ack.node_ids if all(node != other for other, _ in failed)]
        for node, _ in failed:
            _, lock, host_lock = cache.ongoing_load_back.pop(node)
            cache.dec_lock_ref(node, lock)
            cache.dec_host_lock_ref(node, host_lock)
            cache.tree_core.finish_load_back(node)
            flight.forget(node)
        for node, start in failed:
            self.drop(node, start)

    def drop(self, node: int, start: int) -> None:
        """Take the tokens from ``start`` on up to the end of ``node`` out of the tree."""
        tokens = drop_prefix(self._cache, node, start)
        self._faults.lost["load"] += tokens
        logger.warning("%d tokens of KV did not arrive from the host; they will be computed", tokens)
