"""How many tokens the operator's budget holds, told to SGLang before it builds the pool."""

from typing import Any

from sglang.srt.model_executor.pool_configurator import DefaultPoolConfigurator, MemoryPoolConfig
from sglang.srt.runtime_context import get_parallel, get_schedule

from superinfer import config
from superinfer.kv import Format, KvShape, Regions, check_native_region, parse_bytes, size_regions, slab_pages_for
from superinfer.srt.kv import NUMBERS, limits
from superinfer.srt.support import UnsupportedError


def regions_of(shape: KvShape) -> Regions:
    """The operator's budget, cut for a model of this shape.

    Raises:
        ConfigError: The budget is too small for its regions.
    """
    settings = config.active()
    assert settings is not None
    assert settings.kv.budget is not None, "only hooked in with a budget"
    try:
        budget_bytes = parse_bytes(settings.kv.budget)
        slab_pages = slab_pages_for(shape, budget_bytes)
        return size_regions(shape, budget_bytes, settings.kv.shares(), slab_pages, field="budget")
    except ValueError as error:
        raise config.ConfigError(f"kv.{error}") from None


def tokens_of(regions: Regions) -> int:
    """Tokens that SGLang may hand out: those of all regions."""
    return sum(regions.tokens(fmt) for fmt in Format)


class MixedPoolConfigurator(DefaultPoolConfigurator):
    """Sizes the pool by ``kv.budget`` instead of by what is free."""

    def __init__(self, kvc: Any) -> None:
        limits.check_pool(kvc)
        super().__init__(kvc)
        model = kvc.model_config
        self._regions = regions_of(
            KvShape(
                kvc.layer_info.num_effective_layers,
                model.get_num_kv_heads(get_parallel().attn_tp_size),
                model.head_dim,
                model.v_head_dim,
                NUMBERS[kvc.kv_cache_dtype],
            )
        )
        try:
            check_native_region(self._regions, get_schedule().chunked_prefill_size)
        except ValueError as error:
            raise config.ConfigError(f"kv.{error}") from None

    def calculate_pool_sizes(self, available_bytes: int, page_size: int) -> MemoryPoolConfig:
        """As the operator says, if there is so much."""
        if self._regions.bytes > available_bytes:
            raise config.ConfigError(
                f"kv.budget: {self._regions.bytes} bytes are more than the {available_bytes} that are free for KV"
            )
        return MemoryPoolConfig(max_total_num_tokens=tokens_of(self._regions))

    def calculate_pool_sizes_from_max_tokens(self, max_total_num_tokens: int, page_size: int) -> MemoryPoolConfig:
        """A limit in tokens would not say of which format."""
        raise UnsupportedError("SuperInfer does not support --kv-budget with a limit in tokens: the budget is one.")
