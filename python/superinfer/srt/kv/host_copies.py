"""Copies on the host of pages that are made coarser on the device: they are made coarser, too."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sglang.srt.mem_cache.l2_transfer import L2Transfer
from sglang.srt.mem_cache.unified_cache.component_type import BASE_COMPONENT_TYPE

from superinfer.kv import PAGE_TOKENS, Format
from superinfer.srt.cache.losses import drop_host_copies
from superinfer.srt.cache.radix_cache import LearnedRadixCache
from superinfer.srt.kv.host_controller import MixedCacheController

logger = logging.getLogger(__name__)


class HostCopies:
    """Writes copies again, in the place that they have: a coarser page takes less of it.

    Nothing else reads or writes a copy meanwhile: whoever loads or copies a node has it locked, and only pages of nodes
    that nobody has locked are made coarser.

    Args:
        cache: Our cache.
        controller: Of its host tier.
    """

    def __init__(self, cache: LearnedRadixCache, controller: MixedCacheController) -> None:
        self._cache, self._controller = cache, controller

    @classmethod
    def of(cls, tree_cache: Any) -> "HostCopies | None":
        """Of this cache; ``None`` where there is no host tier for pages of several formats."""
        controller = tree_cache.cache_controller
        return cls(tree_cache, controller) if isinstance(controller, MixedCacheController) else None

    def follow(self, node: Any, places: Sequence[int]) -> None:
        """The pages at these places of ``node`` are coarser now; so become their copies, if there are any."""
        data = node.component_data[BASE_COMPONENT_TYPE]
        if data.host_value is None:
            return
        numbers = data.host_value[::PAGE_TOKENS].numpy() // PAGE_TOKENS
        pool = self._controller.host_pool
        now = pool.device_formats(data.value)
        finer = [place for place in places if pool.arena.formats(numbers[place : place + 1])[0] < now[place]]
        for place in finer:
            pool.coarsen(int(numbers[place]), Format(int(now[place])))
        if finer:
            self._write(node, finer)

    def _write(self, node: Any, places: Sequence[int]) -> None:
        data = node.component_data[BASE_COMPONENT_TYPE]
        chosen = torch.from_numpy(np.add.outer(np.multiply(places, PAGE_TOKENS), np.arange(PAGE_TOKENS)).ravel())
        pool, device_pool = self._controller.host_pool, self._controller.mem_pool_device
        failed = False
        try:
            self._controller.l2_transfer_engine.store(
                L2Transfer(pool, device_pool, data.host_value[chosen], data.value[chosen])
            )
        except Exception:
            logger.exception("Copying KV to the host failed: it is not kept there")
            failed = True
        faults = self._cache.faults
        if faults is None:
            if failed:
                raise RuntimeError("a copy on the host could not be made coarser")
        elif faults.anywhere(failed):
            faults.lost["offload"] += drop_host_copies(self._cache, [node.id])
