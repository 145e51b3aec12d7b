"""Copies between device and host that failed: which they are, alike on all ranks, and how much they were of."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from superinfer.srt.host.link import Done, LinkedTransfers

logger = logging.getLogger(__name__)


class Faults:
    """Follows the acknowledgements of SGLang's controller.

    A copy fails on one rank; what follows from that has to be done by all.

    Args:
        tree_cache: Our radix cache, with a host tier.
        link: Of its controller.

    Attributes:
        lost: Tokens, by what could not be done with them: ``offload`` or ``load``.
    """

    def __init__(self, tree_cache: Any, link: LinkedTransfers) -> None:
        self._tree = tree_cache
        self._failed_writes: set[int] = set()
        self.lost: Counter[str] = Counter(offload=0, load=0)
        link.recovers = True
        controller = tree_cache.cache_controller
        write = controller.start_writing

        def watched_write() -> None:
            before = len(controller.ack_write_queue)
            write()
            for ack in controller.ack_write_queue[before:]:
                if failed(ack):
                    self._failed_writes.update(ack.node_ids)

        controller.start_writing = watched_write

    def write_failed(self, ack_id: int) -> bool:
        """Whether the copy to the host that ends now has failed on any rank."""
        (anywhere,) = self._agreed([ack_id in self._failed_writes])
        self._failed_writes.discard(ack_id)
        return anywhere

    def anywhere(self, failed: bool) -> bool:
        """Whether something that all ranks have done has failed on any of them."""
        (yes,) = self._agreed([failed])
        return yes

    def fail_write(self, ack_id: int) -> None:
        """A copy that is under way is of no use any more, on all ranks."""
        self._failed_writes.add(ack_id)

    def failed_loads(self, acks: Sequence[Any]) -> list[Any]:
        """Those of these acknowledgements, which all ranks ask about, whose load has failed on any rank."""
        lost = [ack for ack, yes in zip(acks, self._agreed(map(failed, acks)), strict=True) if yes]
        for ack in lost:
            ack.finish_event.synchronize()  # on the other ranks it may be under way
        return lost

    def _agreed(self, flags: Any) -> list[bool]:
        mine = [bool(flag) for flag in flags]
        if self._tree.tp_world_size == 1 or not mine:
            return mine
        votes = torch.tensor(mine, dtype=torch.int64)
        self._tree._all_reduce(votes, torch.distributed.ReduceOp.MAX)
        return [bool(vote) for vote in votes.tolist()]


def failed(ack: Any) -> bool:
    """Whether the copy of this acknowledgement has failed here."""
    event = ack.finish_event
    return isinstance(event, Done) and event.failure is not None


def watch(tree_cache: Any) -> Faults | None:
    """Look after failed copies, where the copies are ours; elsewhere they are errors."""
    link = tree_cache.cache_controller.l2_transfer_engine
    return Faults(tree_cache, link) if isinstance(link, LinkedTransfers) else None
