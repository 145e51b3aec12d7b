"""SGLang's tree core, in Python, with victims chosen by our evictor."""

from collections.abc import Callable, Iterator
from typing import Any

from sglang.srt.mem_cache.unified_cache.components.base import CacheTransferPhase, ComponentType, EvictLayer
from sglang.srt.mem_cache.unified_cache.components.full import FullComponent
from sglang.srt.mem_cache.unified_cache.unified_tree_core import UnifiedTreeCore

from superinfer.srt.cache.book import TreeBook
from superinfer.srt.cache.host_book import HostBook


class Leaves(set[Any]):
    """The nodes that SGLang would evict from the device, or from the host; a book hears of every change."""

    def __init__(self, changed: Callable[[Any, bool], None]) -> None:
        super().__init__()
        self._changed = changed

    def add(self, node: Any) -> None:
        """SGLang would evict it from now on."""
        if node not in self:
            super().add(node)
            self._changed(node, True)

    def discard(self, node: Any) -> None:
        """And now it would not."""
        if node in self:
            super().discard(node)
            self._changed(node, False)


class LearnedTreeCore(UnifiedTreeCore):
    """Tells the book what happens to the tree. For models with full attention in all layers.

    Attributes:
        book: Knows the nodes and their prices.
        host: The same for the host tier; ``None`` where there is none.
        loads: Number of a node up to which KV is loaded from the host -> from which token on.
    """

    def __init__(self, params: Any, components: dict[ComponentType, Any], book: TreeBook) -> None:
        self.book = book
        self.host: HostBook | None = None
        self.loads: dict[int, int] = {}
        super().__init__(params, components)

    def reset(self) -> None:
        """The tree is empty."""
        super().reset()
        self.book.reset()
        self.loads = {}
        self.evictable_device_leaves = Leaves(self.book.evictable)
        if self.host is not None:
            self.keep_host_book(self.host)

    def keep_host_book(self, host: HostBook) -> None:
        """There is a host tier, and this knows what its nodes are worth. Before any node is there."""
        self.host = host
        host.reset()
        self.evictable_host_leaves = Leaves(host.evictable)

    def supports_fast_match_prefix(self) -> bool:
        """The queue is matched in every pass; ``LearnedRadixCache`` remembers what has not changed."""
        return True

    def _add_new_node(self, parent: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Add new tokens as one node a block, so that they go, and are known again, block by block."""
        node, start = parent, 0
        for end in self._cuts(parent, len(key)):
            if start:
                # SGLang counts a use of the last node only; with it, it copies those above to the host.
                node.hit_count += 1
            node = super()._add_new_node(node, key[start:end], value[start:end], *args, **kwargs)
            self.book.added(node, node in self.evictable_device_leaves)
            start = end
        return node

    def _cuts(self, parent: Any, tokens: int) -> Iterator[int]:
        """Ends of the blocks of ``tokens`` below ``parent``.

        One block where SGLang knows one node an insert: with storage behind the host, or a linker.
        """
        if not (self.enable_storage or self.enable_external_cache_linker):
            block = self.book.block_tokens
            yield from range(block - self._depth(parent) % block, tokens, block)
        yield tokens

    def _depth(self, node: Any) -> int:
        depth = 0
        while node.parent is not None:
            depth += len(node.key)
            node = node.parent
        return depth

    def _unevict_node_on_insert(self, node: Any, *args: Any, **kwargs: Any) -> None:
        super()._unevict_node_on_insert(node, *args, **kwargs)
        self.book.added(node, node in self.evictable_device_leaves)

    def _finish_insert_walk_node(self, state: Any, node: Any, prefix_len: int) -> None:
        self.book.used(node)
        super()._finish_insert_walk_node(state, node, prefix_len)

    def _split_node(self, key: Any, child: Any, split_len: int) -> tuple[Any, Any]:
        self.book.names.of(child)  # by its end, which stays; its beginning does not
        upper, action = super()._split_node(key, child, split_len)
        self.book.split(upper, child, upper in self.evictable_device_leaves)
        return upper, action

    def finish_load_back(self, anchor_node_id: int) -> None:
        """A load has ended."""
        self.loads.pop(anchor_node_id, None)
        super().finish_load_back(anchor_node_id)

    def _unregister_node(self, node: Any) -> None:
        super()._unregister_node(node)
        self.book.forget(node)

    def node_or_none(self, node_id: int | None) -> Any:
        """The node of that number, if there is one."""
        return None if node_id is None else self._node_arena.get(node_id)

    def evict_device_leaf(self, node_id: int, is_write_back: bool) -> Any:
        """KV leaves the device: copied to the host first, if there is a host tier and it is worth that.

        What has children on the host has to go there, too, or they would hang in the air.
        """
        copy = is_write_back and (bool(self.node_by_id(node_id).children) or self.worth_offloading(node_id))
        return super().evict_device_leaf(node_id, copy)

    def end_walk(self) -> None:
        """Nobody asks the book for victims any more; what was left alone may be asked for again."""
        for node_id in self.book.end_eviction():
            node = self.node_by_id(node_id)
            self.book.evictable(node, node in self.evictable_device_leaves)

    def worth_offloading(self, node_id: int) -> bool:
        """Whether a node that has to leave the device should be copied to the host instead of being dropped.

        Asked where the host tier is written at eviction.
        """
        if self.host is None:
            return True
        node = self.node_by_id(node_id)
        pays = self.host.offload(node).pays
        if not pays:
            self.host.discarded_tokens += len(node.key)
        return pays

    def check_book(self) -> None:
        """Compare the book with the tree: for tests.

        Raises:
            RuntimeError: They differ; says in what.
        """
        self.book.evictor.check_integrity()
        evictor, names = self.book.evictor, self.book.names
        here = {
            names.of(node): node
            for node in self._node_arena.values()
            if node is not self.root_node and node.component_data[ComponentType.FULL].value is not None
        }
        held = {name for name in evictor.nodes.slots if evictor.resident(name)}
        if held != here.keys():
            raise RuntimeError(f"{len(held ^ here.keys())} nodes are in one of book and tree only")
        for name, node in here.items():
            slot = evictor.nodes.slots[name]
            above = evictor.nodes.parent[slot]
            parent = None if node.parent is self.root_node else names.of(node.parent)
            if (
                evictor.nodes.tokens[slot] != len(node.key)
                or (None if above < 0 else evictor.nodes.name(above)) != parent
            ):
                raise RuntimeError(f"node {node.id} has another length or parent in the book")
            if evictor.nodes.stored[slot] != self.book.measure.stored(node):
                raise RuntimeError(f"node {node.id} is stored in another way than the book says")
        if evictor.leaves() != {names.of(node) for node in self.evictable_device_leaves}:
            raise RuntimeError("other nodes could go by the book than by the tree")


class LearnedFullComponent(FullComponent):
    """Asks the book for victims one by one, instead of sorting all leaves at each eviction."""

    def _evict_device_start(self, request_cnt: int) -> None:
        self._evict_device_request_cnt = request_cnt

    def _evict_device_next_node(
        self, tracker: dict[ComponentType, int], device_frees: Any, host_frees: Any, cache_actions: Any
    ) -> int | None:
        if tracker[self.component_type] >= self._evict_device_request_cnt:
            return None
        found: int | None = self.tree_core.book.next_victim()
        return found

    def _evict_device_end(self) -> None:
        self.tree_core.end_walk()

    def evict_component(
        self, node: Any, device_frees: Any, host_frees: Any, cache_actions: Any, target: EvictLayer = EvictLayer.DEVICE
    ) -> tuple[int, int]:
        """KV leaves the device, the host or both."""
        leaves_device = EvictLayer.DEVICE in target and node.component_data[self.component_type].value is not None
        freed: tuple[int, int] = super().evict_component(node, device_frees, host_frees, cache_actions, target)
        if leaves_device:
            self.tree_core.book.removed(node)
        return freed

    def drive_host_eviction(
        self, num_tokens: int, tracker: dict[ComponentType, int], *frees: Any, cache_actions: Any
    ) -> None:
        """Room is needed on the host: what is worth least goes."""
        core = self.tree_core
        if core.host is None:
            super().drive_host_eviction(num_tokens, tracker, *frees, cache_actions=cache_actions)
            return
        before = tracker[self.component_type]
        while tracker[self.component_type] < num_tokens and (number := core.host.next_victim()) is not None:
            core._evict_host_leaf(core.node_by_id(number), tracker, *frees, cache_actions=cache_actions)
        core.host.evicted_tokens += tracker[self.component_type] - before

    def commit_hicache_transfer(self, node: Any, phase: Any, transfers: Any = (), **kwargs: Any) -> None:
        """KV goes to the host, or comes back from it."""
        core = self.tree_core
        loaded = [nid for transfer in transfers[:1] for nid in transfer.nodes_to_load or ()]
        if loaded:
            core.loads[node.id] = core._depth(core.node_by_id(loaded[0]).parent)
        absent = [core.node_by_id(nid) for nid in loaded]
        absent = [one for one in absent if one.component_data[self.component_type].value is None]
        super().commit_hicache_transfer(node, phase, transfers, **kwargs)
        if core.host is not None and phase == CacheTransferPhase.BACKUP_HOST and transfers:
            core.host.wrote(node)
        for one in absent:
            if one.component_data[self.component_type].value is not None:
                core.book.added(one, one in core.evictable_device_leaves)
