"""Which radix cache serves: SGLang's, or ours, registered under our name."""

from functools import partial
from pathlib import Path
from typing import Any

from superinfer import config
from superinfer.cache import model_file
from superinfer.cache.claims import Claims
from superinfer.cache.evictor import Evictor
from superinfer.cache.guard import Guarded, Watch
from superinfer.cache.learned import Learned
from superinfer.cache.predictor import Predictor
from superinfer.cache.rule import LRU
from superinfer.cache.use import Use
from superinfer.srt import defaults
from superinfer.srt.cache.book import Ruling, TreeBook
from superinfer.srt.cache.choice import NAME
from superinfer.srt.cache.measure import Measure, OneKind

BLOCK_TOKENS = 512
"""The predictor learnt from prompts cut into such blocks."""

BLOCKS = 512
"""Blocks that the pool should hold at least: small pools get smaller blocks."""

SMALLEST_BLOCK_TOKENS = 32

GHOSTS_PER_BLOCK = 16
"""Evicted nodes that are remembered, for each block that the pool holds."""


def register() -> None:
    """Make our cache known to SGLang, in the scheduler process."""
    from sglang.srt.mem_cache.registry import get_radix_cache_factory, register_radix_cache_backend
    from sglang.srt.mem_cache.unified_cache.tree_core_registry import register_tree_core_backend

    if get_radix_cache_factory(NAME) is None:
        register_radix_cache_backend(NAME, _create_cache)
        register_tree_core_backend(NAME, _create_core)


def _create_cache(ctx: Any) -> Any:
    """SGLang asks for the cache."""
    from sglang.srt.mem_cache.registry import create_unified_radix_cache, default_radix_cache_factory
    from sglang.srt.mem_cache.unified_cache.component_type import ComponentType

    from superinfer.srt.cache.radix_cache import LearnedRadixCache
    from superinfer.srt.cache.tree_core import LearnedFullComponent

    settings = config.active() or config.Config()
    if ctx.is_hybrid_swa or ctx.is_hybrid_ssm:
        if settings.cache.eviction is not None:
            raise ValueError(
                f'SuperInfer does not support [cache] eviction = "{settings.cache.eviction}" for models with sliding '
                "windows or recurrent state: their caches are evicted part by part."
            )
        return default_radix_cache_factory(ctx)
    ctx.params.tree_core_backend = NAME
    ctx.params.component_registry_override = {
        **(ctx.params.component_registry_override or {}),
        ComponentType.FULL: LearnedFullComponent,
    }
    return create_unified_radix_cache(ctx, cache_class=LearnedRadixCache)


def _create_core(params: Any, components: Any) -> Any:
    """SGLang asks for the tree of the cache."""
    from superinfer.srt.cache.tree_core import LearnedTreeCore

    settings = (config.active() or config.Config()).cache
    allocator = params.token_to_kv_pool_allocator
    if defaults.mixed_kv():
        from superinfer.srt.kv.measure import ByFormat

        by_format = ByFormat(allocator)
        book = book_for(settings, by_format.native_tokens, params.page_size, by_format)
    else:
        book = book_for(settings, allocator.size, params.page_size)
    return LearnedTreeCore(params, components, book)


def book_for(
    settings: config.CacheConfig, pool_tokens: int, page_size: int, measure: Measure | None = None
) -> TreeBook:
    """The book of a pool, under the operator's rule.

    Args:
        settings: The operator's.
        pool_tokens: Tokens that the memory holds, if all take as much room as they can.
        page_size: Tokens of a page.
        measure: Knows where nodes lie; all memory is of one kind without it.

    Raises:
        ModelFileError: The predictor's file cannot be used.
    """
    block = block_tokens(pool_tokens, page_size)
    predictor = None if settings.eviction == "lru" else load(settings)
    if predictor is not None:
        _compile(predictor)
    make_rule = partial(_ruling, predictor, pool_tokens, block)
    ghosts = GHOSTS_PER_BLOCK * max(pool_tokens // block, 64)
    return TreeBook(make_rule, ghosts, block, measure or OneKind(pool_tokens))


def _compile(predictor: Predictor) -> None:
    """Have compiled now what would be at the first eviction, while everybody waits."""
    learned: Learned[str] = Learned(predictor)
    cache: Evictor[str] = Evictor(learned)
    cache.insert("a", None, 1, Use(1, 0.0, 1))
    cache.insert("b", "a", 1, Use(1, 0.0, 1))
    cache.access("b", Use(2, 1.0, 1))
    cache.amend("b", Use(2, 1.0, 1, output_tokens=1))
    cache.victims(1, 2.0)


def load(settings: config.CacheConfig) -> Predictor:
    """The operator's predictor, or the built-in one.

    Raises:
        ModelFileError: The file cannot be used.
    """
    return model_file.load(Path(settings.model) if settings.model else model_file.DEFAULT)


def block_tokens(pool_tokens: int, page_size: int) -> int:
    """Into how long blocks prompts are cut: a multiple of the page."""
    block = BLOCK_TOKENS
    while block > max(SMALLEST_BLOCK_TOKENS, page_size) and pool_tokens // block < BLOCKS:
        block //= 2
    return max(block // page_size, 1) * page_size


def _ruling(predictor: Predictor | None, pool_tokens: int, block: int) -> Ruling:
    if predictor is None:
        return Ruling(Claims(LRU()), lambda: "lru")
    learned: Learned[bytes] = Learned(predictor, unit=BLOCK_TOKENS / block)
    guarded = Guarded(learned, pool_tokens, Watch.of(pool_tokens // block))
    decider = lambda: "learned" if guarded.learned_decides else "lru"  # noqa: E731
    return Ruling(Claims(guarded), decider, learned, lambda: guarded.lead_tokens)
