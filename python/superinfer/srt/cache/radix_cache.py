"""SGLang's radix cache over our tree core."""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, NamedTuple

from sglang.srt.mem_cache.unified_radix_cache import UnifiedRadixCache

from superinfer.cache.claims import Claim, Level
from superinfer.srt.cache.access import AccessWriter
from superinfer.srt.cache.asker import NOBODY, Asker
from superinfer.srt.cache.book import TreeBook, Visit
from superinfer.srt.cache.losses import drop_host_copies
from superinfer.srt.cache.names import block_names
from superinfer.srt.cache.tree_core import LearnedTreeCore
from superinfer.srt.host.faults import Faults
from superinfer.srt.kv.host_pool import mixed_pool
from superinfer.srt.kv.loads import Loads
from superinfer.srt.ledger import is_internal


class Match(NamedTuple):
    """What was found for a request the last time.

    Attributes:
        tokens: Length of what was looked for.
        grown: ``TreeBook.grown`` of the last node at that time.
        result: SGLang's.
    """

    tokens: int
    grown: int
    result: Any


class LearnedRadixCache(UnifiedRadixCache):
    """Tells the book whose tokens come into the tree.

    Attributes:
        describe: Who asks SGLang's request.
        access_log: Gets a line for each request that has ended; ``None`` writes nothing.
        on_end: Hears of each request that has ended, when all of it is in the tree.
        on_reset: Hears when the tree was emptied.
        faults: Copies that failed; ``None`` where these are errors.
        loads: What would be loaded from a host whose pages have formats; ``None`` where they have none.
    """

    tree_core: LearnedTreeCore

    def __init__(self, params: Any) -> None:
        self.describe: Callable[[Any], Asker] = lambda _: NOBODY
        self.access_log: AccessWriter | None = None
        self.on_end: Callable[[Any], None] | None = None
        self.on_reset: Callable[[], None] | None = None
        self.faults: Faults | None = None
        self.loads: Loads | None = None
        super().__init__(params)

    @property
    def book(self) -> TreeBook:
        """What the evictor knows."""
        return self.tree_core.book

    def match_prefix(self, params: Any) -> Any:
        """The longest prefix of a prompt in the tree.

        Not looked for again while the node that it ended with is there and has nothing new below it: the queue is
        matched in every pass.
        """
        req = params.req
        if req is None or req.session is not None or self.cache_controller is not None or self.linker is not None:
            return super().match_prefix(params)
        tokens, grown = len(params.key), self.book.grown
        known = getattr(req, "cache_match", None)
        if known is not None and known.tokens == tokens:
            end = known.result.last_device_node
            if self.tree_core.node_or_none(end) is not None and grown.get(end, 0) == known.grown:
                return known.result
        result = super().match_prefix(params)
        req.cache_match = Match(tokens, grown.get(result.last_device_node, 0), result)
        return result

    def checkpoint_into_tree(self, req: Any, *, up_to: int, **kwargs: Any) -> None:
        """What a request has computed enters the tree."""
        visit = self.book.visit = self._visit(req, up_to)
        try:
            super().checkpoint_into_tree(req, up_to=up_to, **kwargs)
        finally:
            self.book.visit = None
        req.cache_leaf = req.last_node
        if not req.finished():
            return
        if self.on_end is not None:
            self.on_end(req)
        if self.access_log is not None and not is_internal(req):
            self.access_log.write(req, visit.use)

    def reset(self) -> None:
        """Empty the tree."""
        super().reset()
        if self.on_reset is not None:
            self.on_reset()

    def _finish_write_through_ack(self, ack_id: int) -> None:
        """A copy to the host has ended; one that failed is not there."""
        nodes = self.ongoing_write_through[ack_id].publish_node_ids
        super()._finish_write_through_ack(ack_id)
        if self.faults is not None and self.faults.write_failed(ack_id):
            self.faults.lost["offload"] += drop_host_copies(self, nodes)

    def init_hicache(self, server_args: Any, params: Any) -> None:
        """There is a host tier."""
        super().init_hicache(server_args, params)
        pages = mixed_pool(self.cache_controller.mem_pool_host)
        if pages is not None:
            self.loads = Loads(self.tree_core, params.token_to_kv_pool_allocator, pages)

    def load_back(self, node_id: int, mem_quota: int | None = None, req: Any = None) -> bool:
        """Begin to load what is on the host up to a node; not begun, and nothing evicted, where it cannot fit."""
        if self.loads is not None and not self.loads.fits(node_id):
            self.cache_controller.note_short(self.loads.pages(node_id))
            return False
        return bool(super().load_back(node_id, mem_quota, req))

    def evict_leaf(self, node_id: int, tracker: Any) -> None:
        """A leaf leaves the device: to the host, where that is written at eviction and a copy pays."""
        backup = self._evict_device_leaf(node_id, tracker)
        if backup is None:
            return
        if self._execute_and_commit_kv_backup(backup, write_back=True):
            self.writing_check(write_back=True)
            self._demote(node_id, tracker)
        else:
            self._drop_subtree_no_host(node_id, tracker)

    def _execute_kv_backup(self, node_id: int, device_value: Any, *args: Any) -> Any:
        """Copy a node to the host. SGLang makes room for its tokens; where pages have formats, they need bytes."""
        if self.loads is not None and not self._make_host_room(device_value):
            return None
        return super()._execute_kv_backup(node_id, device_value, *args)

    def _make_host_room(self, device_value: Any) -> bool:
        pages = self.cache_controller.host_pool
        needed = pages.units(pages.device_formats(device_value))
        if needed > pages.arena.units:
            return False
        while (short := needed - pages.arena.free_units) > 0:
            # As many tokens as are at least as large; what goes may be smaller.
            if not self.evict_host(max(int(pages.native_tokens_of(short)), 1)):
                return False
        return True

    def _demote(self, node_id: int, tracker: Any) -> None:
        """A node leaves the device: with its copy on the host, or for good where the copy failed."""
        if self.tree_core.is_backuped(node_id):
            super()._demote(node_id, tracker)
        else:
            self._drop_subtree_no_host(node_id, tracker)

    def claim(self, req: Any, level: Level) -> None:
        """The nodes with the beginning of ``req`` go after others until ``release``."""
        path = self.path_tokens(getattr(req, "cache_leaf", None)) or self.path_tokens(req.best_match_node)
        self.claim_nodes(req.rid, path, level)

    def claim_nodes(self, owner: str, nodes: Iterable[int], level: Level, until_s: float = inf) -> None:
        """These nodes go after others, or before them, until ``release`` or until a time."""
        book = self.book
        names = [book.names.of(self.tree_core.node_by_id(node)) for node in nodes]
        slots = [book.evictor.nodes.slots[name] for name in names if book.evictor.known(name)]
        book.moved(book.claims.claim(owner, slots, Claim(level, until_s)))

    def release(self, owner: str) -> None:
        """Take back a claim."""
        self.book.moved(self.book.claims.release(owner))

    def path_tokens(self, node_id: int | None) -> dict[int, int]:
        """SGLang's numbers of a node and those above it, and their tokens; empty if the node is gone."""
        node, found = self.tree_core.node_or_none(node_id), dict[int, int]()
        while node is not None and node.parent is not None:
            found[node.id] = len(node.key)
            node = node.parent
        return found

    def path_room(self, node_id: int) -> dict[int, Sequence[int]]:
        """SGLang's numbers of a node and those above it, and their tokens by level of the memory."""
        core, measure = self.tree_core, self.book.measure
        return {node: measure.tokens(core.node_by_id(node)) for node in self.path_tokens(node_id)}

    def own_path(self, node_id: int) -> list[int]:
        """Of a node and those above it, the ones that nobody else has gone on from."""
        node, found = self.tree_core.node_or_none(node_id), list[int]()
        while node is not None and node.parent is not None and len(node.children) <= bool(found):
            found.append(node.id)
            node = node.parent
        return found

    def _visit(self, req: Any, up_to: int) -> Visit:
        """The use of the cache by ``req``: begun when its first tokens enter the tree."""
        book = self.book
        visit: Visit | None = getattr(req, "cache_visit", None)
        if visit is None:
            prompt = len(req.origin_input_ids)
            names = block_names(req.origin_input_ids, book.block_tokens, req.extra_key, req.cache_salt)
            found = min(req.kv.cache_protected_len, prompt)
            if book.observer:
                book.observer.found(found)
            known = max(book.known_tokens(names, prompt), found)
            visit = req.cache_visit = book.begin(prompt, prompt - known, self.describe(req))
        if up_to > len(req.origin_input_ids):
            book.later(visit, len(req.output_ids))
        return visit
