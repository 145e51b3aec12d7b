"""SGLang's radix cache over our tree core, without an engine: real tree, real allocator, no KV behind it."""

from array import array
from math import inf

import torch
from sglang.srt.mem_cache.allocator import PagedTokenToKVPoolAllocator, TokenToKVPoolAllocator
from sglang.srt.mem_cache.base_prefix_cache import EvictParams, InsertParams, MatchPrefixParams
from sglang.srt.mem_cache.cache_init_params import CacheInitParams
from sglang.srt.mem_cache.radix_cache import RadixKey
from sglang.srt.mem_cache.unified_cache.component_type import ComponentType
from sglang.srt.mem_cache.unified_cache.tree_core_registry import get_tree_core_factory, register_tree_core_backend

from superinfer.cache.claims import Claims
from superinfer.cache.rule import LRU
from superinfer.srt.cache.book import Ruling, TreeBook
from superinfer.srt.cache.measure import OneKind
from superinfer.srt.cache.radix_cache import LearnedRadixCache
from superinfer.srt.cache.tree_core import LearnedFullComponent, LearnedTreeCore

BACKEND = "test"
_books = []


def book(rule=LRU, block_tokens=8, ghosts=64, pool_tokens=64):
    """``rule`` makes a rule, or a whole ``Ruling``."""

    def make():
        made = rule()
        return made if isinstance(made, Ruling) else Ruling(Claims(made), lambda: "test")

    return TreeBook(make, ghosts, block_tokens, OneKind(pool_tokens))


class Tree:
    """A pool and a cache of it, as a scheduler would use them."""

    def __init__(self, pool_tokens=64, page_size=1, rule=LRU, block_tokens=8):
        if get_tree_core_factory(BACKEND) is None:
            register_tree_core_backend(BACKEND, lambda params, parts: LearnedTreeCore(params, parts, _books.pop()))
        self.pool_tokens, self.page_size, self.now_s = pool_tokens, page_size, 0.0
        self.allocator = self._allocator()
        params = CacheInitParams(
            disable=False,
            req_to_token_pool=None,
            token_to_kv_pool_allocator=self.allocator,
            page_size=page_size,
            tree_components=(ComponentType.FULL,),
            component_registry_override={ComponentType.FULL: LearnedFullComponent},
            tree_core_backend=BACKEND,
        )
        _books.append(book(rule, block_tokens, pool_tokens=pool_tokens))
        self.cache = LearnedRadixCache(params)
        self.book = self.cache.book
        self.book.now_s = lambda: self.now_s
        self._built(params)

    def _allocator(self):
        options = (torch.float32, "cpu", None, False)
        if self.page_size == 1:
            return TokenToKVPoolAllocator(self.pool_tokens, *options)
        return PagedTokenToKVPoolAllocator(self.pool_tokens, self.page_size, *options)

    def _built(self, params):
        """The cache is there."""

    def match(self, tokens, extra_key=None):
        return self.cache.match_prefix(MatchPrefixParams(key=RadixKey(array("q", tokens), extra_key)))

    def evict(self, tokens):
        return self.cache.evict(EvictParams(num_tokens=tokens)).num_tokens_evicted

    def serve(self, tokens, extra_key=None, output_tokens=0):
        """Compute a prompt and put it into the tree; returns the tokens found there, or None without room."""
        tokens = tokens[: len(tokens) // self.page_size * self.page_size]
        found = self.match(tokens, extra_key)
        lock = self.cache.lock(found.last_device_node)
        try:
            new = self._allocate(len(tokens) - found.device_prefix_len)
            if new is None:
                return None
            value = torch.cat([self.cache.path_device_indices(found.last_device_node), new])
            visit = self.book.visit = self.book.begin(len(tokens), len(tokens) - found.device_prefix_len)
            if output_tokens:
                self.book.later(visit, output_tokens)
            key = RadixKey(array("q", tokens), extra_key)
            self.cache.insert(InsertParams(key=key, value=value, prev_prefix_len=found.device_prefix_len))
            return found.device_prefix_len
        finally:
            self.book.visit = None
            self.cache.unlock(lock)

    def claim(self, owner, tokens, level, until_s=inf):
        path = self.cache.path_tokens(self.match(tokens).last_device_node)
        self.cache.claim_nodes(owner, path, level, until_s)

    def holds(self, tokens, extra_key=None):
        return self.match(tokens, extra_key).device_prefix_len

    def check(self):
        """SGLang's own checks, ours, and every slot accounted for."""
        self.cache.sanity_check()
        self.cache.tree_core.check_book()
        used = self.cache.full_evictable_size() + self.cache.full_protected_size()
        assert self.allocator.available_size() + used == self.pool_tokens

    def _allocate(self, tokens):
        short = tokens - self.allocator.available_size()
        if short > 0:
            self.evict(short)
        return self.allocator.alloc(tokens) if tokens else torch.empty(0, dtype=torch.int64)
