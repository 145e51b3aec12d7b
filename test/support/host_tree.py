"""Our radix cache with a host tier, without an engine: real tree, real pools, real copies, that fail when told to."""

import pytest
import torch
from sglang.srt import runtime_context
from sglang.srt.mem_cache.allocator import PagedTokenToKVPoolAllocator, TokenToKVPoolAllocator
from sglang.srt.mem_cache.memory_pool import MHATokenToKVPool

from superinfer.sched.step_time import StepTime
from superinfer.srt.cache import wiring
from superinfer.srt.host import strategy
from superinfer.srt.host.recovery import Recovery
from support.tree import Tree


class Options:
    """What SGLang reads of its options when it builds the tier."""

    extra_metric_labels = served_model_name = None
    hicache_host_memory_mode = "cache"
    hicache_storage_backend = None
    hicache_storage_prefetch_policy = "best_effort"
    hicache_mem_layout = "layer_first"
    hicache_io_backend = "direct"

    def __init__(self, write, ratio):
        self.hicache_write_policy, self.hicache_ratio, self.hicache_size = write, ratio, 0


class FailingHost:
    """A host tier behind a tree, whose copies fail when told to.

    Attributes:
        fails: Copies that raise from now on, by direction: ``store`` or ``load``.
    """

    def __init__(self, write, ratio, *args, **options):
        self.write, self.ratio, self.fails = write, ratio, set()
        super().__init__(*args, **options)

    def build_host(self, cache, params, step_time):
        """Give ``cache`` its tier, as the scheduler does."""
        with pytest.MonkeyPatch.context() as patch:
            options = Options(self.write, self.ratio)
            patch.setattr(type(runtime_context._CONTEXT), "config_bag", lambda *_: options)
            strategy.register()
            cache.init_hicache(None, params)
        wiring.price_host(cache, step_time)
        self.recovery = Recovery.of(cache)

    def let_copies_fail(self, pool):
        """Copies from and to this pool ask ``fails`` from now on."""
        for name, way in (("load_to_device_per_layer", "load"), ("backup_from_device_all_layer", "store")):
            setattr(pool, name, self._failing(getattr(pool, name), way))

    def _failing(self, copy, way):
        def may_fail(*args, **kwargs):
            if way in self.fails:
                raise OSError("no such page")
            return copy(*args, **kwargs)

        return may_fail


class HostTree(FailingHost, Tree):
    """A pool of ``pool_tokens``, and a host that holds ``ratio`` times as much."""

    def __init__(self, write, pool_tokens=64, ratio=2.0, **options):
        self.step_time = StepTime()
        super().__init__(write, ratio, pool_tokens, **options)

    def _allocator(self):
        self.kv = MHATokenToKVPool(
            self.pool_tokens, self.page_size, torch.float32, head_num=1, head_dim=4, layer_num=2, device="cpu",
            enable_memory_saver=False,
        )  # fmt: skip
        kind = TokenToKVPoolAllocator if self.page_size == 1 else PagedTokenToKVPoolAllocator
        pages = () if self.page_size == 1 else (self.page_size,)
        return kind(self.pool_tokens, *pages, torch.float32, "cpu", self.kv, False)

    def _built(self, params):
        self.build_host(self.cache, params, self.step_time)
        self.host = self.cache.tree_core.host
        self.let_copies_fail(self.cache.cache_controller.mem_pool_host.anchor_entry.host_pool)

    def poll(self):
        """What a scheduler does in each pass."""
        self.cache.check_hicache_events()

    def on_host(self, tokens):
        """Tokens of a prompt that are on the host and not on the device."""
        return self.match(tokens).host_hit_length

    def host_used(self):
        pool = self.cache.cache_controller.mem_pool_host
        return pool.size - pool.available_size()
