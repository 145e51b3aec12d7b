"""Pool, allocator, radix tree and keeper of KV memory in several formats, without an engine."""

import hashlib
import os
from array import array
from types import SimpleNamespace
from unittest import mock

import torch
from sglang.srt.managers.schedule_batch import ReqKvInfo
from sglang.srt.mem_cache.base_prefix_cache import EvictParams, MatchPrefixParams
from sglang.srt.mem_cache.cache_init_params import CacheInitParams
from sglang.srt.mem_cache.memory_pool import ReqToTokenPool
from sglang.srt.mem_cache.radix_cache import RadixKey
from sglang.srt.mem_cache.unified_cache.component_type import ComponentType
from sglang.srt.mem_cache.unified_cache.tree_core_registry import get_tree_core_factory, register_tree_core_backend
from sglang.srt.mem_cache.unified_radix_cache import UnifiedRadixCache

from superinfer import config, kernels
from superinfer.cache.claims import Claims
from superinfer.kv import PAGE_TOKENS, Format, KvShape, reserve_slabs, sizing
from superinfer.srt.cache.book import Ruling, TreeBook
from superinfer.srt.cache.radix_cache import LearnedRadixCache
from superinfer.srt.cache.tree_core import LearnedFullComponent, LearnedTreeCore
from superinfer.srt.kv.allocator import MixedAllocator
from superinfer.srt.kv.classes import mark
from superinfer.srt.kv.keeper import KvKeeper
from superinfer.srt.kv.measure import ByFormat
from superinfer.srt.kv.pool import MixedKVPool
from superinfer.srt.kv.sizes import regions_of, tokens_of

LAYERS, HEADS, DIM, CONTEXT = 2, 2, 16, 1024
BLOCK_TOKENS = 64
OURS = "test-kv"
_books = []


class MixedKv:
    """What a scheduler would have, and requests that write numbers which tell where they belong.

    All values of a page are one number, which follows from the tokens up to the end of the page.

    ``rule`` makes the order of our cache; without it SGLang's serves. With ``least_slabs``, slabs are as they are in a
    small memory; else they are large, so that tests need few of them.
    """

    def __init__(self, budget, regions, chunk_tokens=64, *, late=False, rule=None, least_slabs=1):
        with mock.patch.object(sizing, "LEAST_SLABS", least_slabs):
            self._build(budget, regions, chunk_tokens, late, rule)

    def _build(self, budget, regions, chunk_tokens, late, rule):
        settings = config.Config(kv=config.KvConfig(budget=budget, regions=regions))
        before = os.environ.get(config.ENV)
        config.enable(settings)
        try:
            self.start = regions_of(KvShape(LAYERS, HEADS, DIM, DIM, 4))
            self.tokens = tokens_of(self.start)
            options = {"head_num": HEADS, "head_dim": DIM, "layer_num": LAYERS, "device": "cpu", "start_layer": 0}
            self.pool = MixedKVPool(
                self.tokens, page_size=PAGE_TOKENS, dtype=torch.float32, enable_memory_saver=False, **options
            )
        finally:
            if before is None:
                del os.environ[config.ENV]
            else:
                os.environ[config.ENV] = before
        self.allocator = MixedAllocator(
            self.tokens, page_size=PAGE_TOKENS, dtype=torch.float32, device="cpu", kvcache=self.pool, need_sort=False
        )
        self.allocator.debug_mode = True
        self.rows = ReqToTokenPool(16, CONTEXT, "cpu", False)
        params = CacheInitParams(
            disable=False,
            req_to_token_pool=self.rows,
            token_to_kv_pool_allocator=self.allocator,
            page_size=PAGE_TOKENS,
            tree_components=(ComponentType.FULL,),
            tree_core_backend="python",
        )
        self.now_s = 0.0
        self.tree = UnifiedRadixCache(params) if rule is None else self._our_cache(params, rule)
        self._built(params)
        self.keeper = KvKeeper(self.pool, self.allocator, self.tree, self.rows.req_to_token, chunk_tokens, late=late)
        if settings.kv.balances:
            self.keeper.balance(reserve_slabs(self.regions, chunk_tokens), self._set_total)
        self.running = []
        self.now_us = 0

    @property
    def regions(self):
        """As they are cut now."""
        return self.allocator.pages.regions

    def _set_total(self, tokens):
        self.tokens = tokens

    def _built(self, params):
        """The cache is there."""

    def begin_pass(self, waiting=(), elapsed_us=50_000):
        self.now_us += elapsed_us
        self.keeper.before_pass(self.now_us, self.running, None, waiting)

    def _our_cache(self, params, rule):
        if get_tree_core_factory(OURS) is None:
            register_tree_core_backend(OURS, lambda params, parts: LearnedTreeCore(params, parts, _books.pop()))
        params.tree_core_backend = OURS
        params.component_registry_override = {ComponentType.FULL: LearnedFullComponent}
        make_rule = lambda: Ruling(Claims(rule()), lambda: "test")  # noqa: E731
        _books.append(TreeBook(make_rule, 256, BLOCK_TOKENS, ByFormat(self.allocator)))
        cache = LearnedRadixCache(params)
        cache.book.now_s = lambda: self.now_s
        return cache

    # Requests.

    def arrive(self, tokens, slo):
        req = SimpleNamespace(
            rid=f"request {id(tokens)}",
            tokens=list(tokens),
            output_ids=array("q"),
            num_matched_prefix_tokens=0,
            origin_input_ids=array("q", tokens),
            full_untruncated_fill_ids=array("q", tokens),
            kv=ReqKvInfo(),
            extra_key=None,
            cache_salt=None,
            session=None,
            session_id=None,
            beam_group=None,
            priority=0,
            kv_rotation_base=None,
            lock=None,
            last_node=None,
            finished=lambda: False,
        )
        mark(req, slo)
        self.keeper.books.requests[req.kv_floor] += 1
        return req

    def admit(self, req):
        """Compute the prompt, but for what is cached; returns whether there was room."""
        found = self.find(req)
        cached = min(found.device_prefix_len, (len(req.tokens) - 1) // PAGE_TOKENS * PAGE_TOKENS)
        lock = self.tree.lock(found.last_device_node)
        new = len(req.tokens) - cached
        pages = -(-len(req.tokens) // PAGE_TOKENS) - cached // PAGE_TOKENS
        if not self.allocator.evict_to_free_tokens(self.tree, pages * PAGE_TOKENS):
            self.tree.unlock(lock)
            return False
        slots = self.allocator.alloc(pages * PAGE_TOKENS)[:new]
        req.kv.req_pool_idx = self.rows.free_slots.pop()
        row = self.rows.req_to_token[req.kv.req_pool_idx]
        row[:cached] = self.tree.path_device_indices(found.last_device_node)[:cached]
        row[cached : len(req.tokens)] = slots
        req.lock, req.last_node = lock, found.last_device_node
        req.kv.cache_protected_len = req.tokens_found = cached
        req.kv.kv_allocated_len = req.kv.kv_committed_len = len(req.tokens)
        self._write(req, cached)
        self.running.append(req)
        self.keeper.look(self.running, None)
        self.checkpoint(req)
        return True

    def find(self, req):
        """What is cached of a request."""
        return self.tree.match_prefix(MatchPrefixParams(key=RadixKey(array("q", req.tokens), req.extra_key)))

    def checkpoint(self, req):
        req.full_untruncated_fill_ids = array("q", req.tokens)
        self.tree.checkpoint(req, up_to=len(req.tokens))

    def decode(self, req, token):
        """One more token; returns whether there was room."""
        self.begin_pass()
        length = len(req.tokens)
        page = PAGE_TOKENS if length % PAGE_TOKENS == 0 else 0
        if not self.allocator.check_decode_capacity(num_tokens=page, tree_cache=self.tree):
            return False
        row = self.rows.req_to_token[req.kv.req_pool_idx]
        last = row[length - 1 : length].to(torch.int64)
        lens = torch.tensor([length + 1])
        row[length] = self.allocator.alloc_decode(lens, lens, last)[0]
        req.tokens.append(token)
        req.kv.kv_allocated_len = req.kv.kv_committed_len = length + 1
        self._write(req, length // PAGE_TOKENS * PAGE_TOKENS)
        return True

    def leave(self, req, *, checkpoint):
        """The request ends or is taken out, as SGLang does it."""
        if checkpoint:
            self.checkpoint(req)
        self.tree.free_kv_row(req.kv, [(req.kv.cache_protected_len, len(req.tokens))])
        self.tree.unlock(req.lock)
        self.rows.free_slots.append(req.kv.req_pool_idx)
        req.kv.req_pool_idx, req.kv.kv_allocated_len = None, 0
        self.running.remove(req)
        self.keeper.look(self.running, None)

    # What must hold.

    def check(self):
        """Every page of every request and of the tree holds what it should, in a format that its readers accept."""
        self.tree.sanity_check() if not self.running else None
        if isinstance(self.tree, LearnedRadixCache):
            self.tree.tree_core.check_book()
        private = sum(
            -(-len(req.tokens) // PAGE_TOKENS) * PAGE_TOKENS - req.kv.cache_protected_len for req in self.running
        )
        held = self.tree.evictable_size() + self.tree.protected_size()
        assert self.allocator.available_size() + held + private == self.tokens
        for req in self.running:
            row = self.rows.req_to_token[req.kv.req_pool_idx]
            self._check_pages(row[: len(req.tokens)], req.tokens, req.kv_floor)
        for node, path in self.paths():
            if not node.evicted:
                slots = torch.cat([each.component_data[0].value for each in path])
                self._check_pages(slots, *self.described(path))

    def paths(self):
        """Every node of the tree, and those from the top down to it."""
        stack = [(node, [node]) for node in self.tree.tree_core.root_node.children.values()]
        while stack:
            node, path = stack.pop()
            yield node, path
            stack += [(child, [*path, child]) for child in node.children.values()]

    def described(self, path):
        """The tokens of these nodes, and the coarsest format that their readers accept."""
        tokens = [token for node in path for token in list(node.key.token_ids)[: len(node.key)]]
        return tokens, Format[path[-1].key.extra_key.rpartition(":")[2].upper()]

    def evict(self, tokens):
        return self.tree.evict(EvictParams(num_tokens=tokens)).num_tokens_evicted

    def last_node(self, tokens, slo):
        """SGLang's number of the last node that a request would share."""
        return self.match(tokens, slo).last_device_node

    def match(self, tokens, slo):
        """What a request would share, as SGLang tells it."""
        req = self.arrive(tokens, slo)
        return MixedKv.find(self, req)

    def cached_formats(self, tokens, slo):
        """Formats of the pages that a request would share."""
        slots = self.tree.path_device_indices(self.last_node(tokens, slo))[::PAGE_TOKENS].tolist()
        return [self.regions.format(slot) for slot in slots]

    def formats(self, req):
        slots = self.rows.req_to_token[req.kv.req_pool_idx][: len(req.tokens) : PAGE_TOKENS].tolist()
        return [self.regions.format(slot) for slot in slots]

    def _check_pages(self, slots, tokens, floor):
        pages = len(slots) // PAGE_TOKENS
        if pages:
            first = slots[: pages * PAGE_TOKENS : PAGE_TOKENS].tolist()
            found = [self.regions.format(slot) for slot in first]
            assert all(fmt <= floor for fmt in found)
            assert found[0] <= Format.INT8
            table = slots[: pages * PAGE_TOKENS].to(torch.int32).view(pages, PAGE_TOKENS)
            assert table.sub(table[:, :1]).eq(torch.arange(PAGE_TOKENS)).all()
            expected = [number(tokens[: (page + 1) * PAGE_TOKENS]) for page in range(pages)]
            for layer in range(LAYERS):
                means = self._mean(self.pool, layer, table)
                torch.testing.assert_close(means, torch.tensor(expected) + layer, atol=1e-3, rtol=0)

    def _mean(self, pool, layer, table):
        """Mean of the values of each page: what a query that likes all keys alike gets."""
        pages = len(table)
        out = torch.empty(pages, HEADS, DIM)
        kernels.mixed_decode_attention(
            torch.zeros(pages, HEADS, DIM),
            pool.k_buffer[layer],
            pool.v_buffer[layer],
            pool.slots,
            table.contiguous(),
            torch.arange(pages),
            torch.full((pages,), PAGE_TOKENS),
            out,
            scale=1.0,
        )
        return out.mean(dim=(1, 2))

    def _write(self, req, begin):
        """Keys and values of all tokens from ``begin``, the beginning of a page."""
        row = self.rows.req_to_token[req.kv.req_pool_idx]
        for page in range(begin // PAGE_TOKENS, -(-len(req.tokens) // PAGE_TOKENS)):
            end = min((page + 1) * PAGE_TOKENS, len(req.tokens))
            slots = row[page * PAGE_TOKENS : end].to(torch.int64)
            for layer in range(LAYERS):
                self.pool.k_buffer[layer][slots] = 0.5
                self.pool.v_buffer[layer][slots] = number(req.tokens[:end]) + layer


def number(tokens):
    """From 0 to 1, and another one for other tokens."""
    return int.from_bytes(hashlib.blake2s(repr(list(tokens)).encode(), digest_size=4).digest()) / 2**32
