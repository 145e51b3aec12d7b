"""Taking out of SGLang's tree what was lost: copies on the host, and prefixes that did not arrive from there."""

from collections.abc import Iterator
from typing import Any

from sglang.srt.disaggregation.kv_events import StorageMedium
from sglang.srt.mem_cache.unified_cache.components.base import ComponentType
from sglang.srt.mem_cache.unified_cache.unified_tree_core_interface import BaseEvictionResult

from superinfer.srt.host.link import HostLoadError


def drop_host_copies(cache: Any, node_ids: list[int]) -> int:
    """Keep these nodes, and all below them, on the device only; returns the tokens whose copies are given up.

    What hangs below a node without a copy would hang in the air when that leaves the device. Copies that are under way
    are dropped when they end.
    """
    core, result, tokens = cache.tree_core, BaseEvictionResult(), 0
    frees = (result.tracker, result.device_frees, result.host_frees)
    for top in [core.node_or_none(node_id) for node_id in node_ids]:
        for node in [] if top is None else list(_from_below(top)):
            data = node.component_data[ComponentType.FULL]
            if node.write_through_pending_id is not None:
                cache.faults.fail_write(node.write_through_pending_id)
            elif data.host_value is not None:
                tokens += len(node.key)
                drop = core._evict_host_leaf if data.value is None else core._release_full_host_duplicate
                drop(node, *frees, cache_actions=result.cache_actions)
    cache._apply_eviction_result(result)
    return tokens


def drop_prefix(cache: Any, node_id: int, start: int) -> int:
    """Take the tokens from ``start`` on up to the end of a node out of the tree, and all that hangs below; returns how
    many there were.

    Raises:
        HostLoadError: Somebody reads them.
    """
    core, result, tokens = cache.tree_core, BaseEvictionResult(), 0
    top = first_after(cache, node_id, start)
    if top is None:
        return 0
    lost, above = list(_from_below(top)), top.parent
    for node in lost:
        data = node.component_data[ComponentType.FULL]
        if data.lock_ref or data.host_lock_ref or node.write_through_pending_id is not None:
            raise HostLoadError("KV that could not be loaded from the host is being read")
    for node in lost:
        tokens += len(node.key)
        core._release_all_component_layers(
            node,
            StorageMedium.CPU,
            result.tracker,
            result.device_frees,
            result.host_frees,
            cache_actions=result.cache_actions,
        )
        core._remove_leaf_from_parent(node)
    core._update_evictable_leaf_sets(above)
    cache._apply_eviction_result(result)
    return tokens


def first_after(cache: Any, node_id: int, start: int) -> Any:
    """Of a node and those above it, the first that ends after so many tokens; ``None`` if the node is gone."""
    node, path = cache.tree_core.node_or_none(node_id), []
    while node is not None and node.parent is not None:
        path.append(node)
        node = node.parent
    end = 0
    for node in reversed(path):
        end += len(node.key)
        if end > start:
            return node
    return None


def _from_below(node: Any) -> Iterator[Any]:
    for child in node.children.values():
        yield from _from_below(child)
    yield node
