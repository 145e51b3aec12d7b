"""KV memory of several formats with a host tier behind it, without an engine; copies fail when told to."""

from copy import copy

import torch

from superinfer.cache.rule import LRU
from superinfer.kv import PAGE_TOKENS, Format
from superinfer.sched.step_time import StepTime
from superinfer.srt.host.flight import Flight
from support.host_tree import FailingHost
from support.mixed_kv import LAYERS, MixedKv, number


class MixedHost(FailingHost, MixedKv):
    """A host that holds ``ratio`` times as many bytes as the device."""

    def __init__(self, budget, regions, *, write="write_back", ratio=4.0, rule=LRU, **options):
        super().__init__(write, ratio, budget, regions, rule=rule, **options)
        self.scratch = copy(self.pool)
        for name in ("k_buffer", "v_buffer"):
            setattr(self.scratch, name, [memory.clone() for memory in getattr(self.pool, name)])
        self.budget_bytes = int(ratio * self.regions.bytes)

    def _built(self, params):
        self.build_host(self.tree, params, StepTime())
        self.controller = self.tree.cache_controller
        self.host = self.controller.host_pool
        self._load = self.host.load_to_device_per_layer
        self.let_copies_fail(self.host)

    def begin_pass(self, *args, **kwargs):
        self.poll()
        super().begin_pass(*args, **kwargs)

    def poll(self):
        self.tree.check_hicache_events()

    def find(self, req):
        """What is cached of a request, after it was brought back from the host."""
        found = super().find(req)
        if found.host_hit_length and self.bring_back(found.best_match_node):
            found = super().find(req)
        return found

    def bring_back(self, node):
        """Load what is on the host up to a node, as the scheduler does; returns whether a load began."""
        if not self.tree.load_back(node):
            return False
        self.tree.ready_to_load_host_cache()
        failed = self.recovery.failed()
        if failed:
            self.recovery.finish(failed, Flight(self.tree))
        self.poll()
        return True

    def on_host(self, tokens, slo):
        """Formats of the pages that a request has on the host only."""
        found = self.match(tokens, slo)
        node, formats = self.tree.tree_core.node_by_id(found.best_match_node), []
        while node.evicted:
            formats = self.formats_on_host(node) + formats
            node = node.parent
        return formats

    def formats_on_host(self, node):
        return [Format(fmt) for fmt in self.host.formats(node.component_data[0].host_value)]

    def check(self):
        """And on the host: every byte is a page's that a node has, and holds what its readers expect."""
        self.poll()
        super().check()
        self.host.arena.check_integrity()
        held = [path for node, path in self.paths() if node.backuped]
        formats = [fmt for path in held for fmt in self.formats_on_host(path[-1])]
        assert self.host.used_bytes == sum(map(self.regions.shape.page_bytes, formats))
        for path in held:
            self._check_copy(path)

    def _check_copy(self, path):
        node, (tokens, floor) = path[-1], self.described(path)
        formats = self.formats_on_host(node)
        assert all(fmt <= floor for fmt in formats)
        data = node.component_data[0]
        before = len(tokens) - len(node.key)
        for place, fmt in enumerate(formats):
            page = slice(place * PAGE_TOKENS, (place + 1) * PAGE_TOKENS)
            first = self.regions.base(fmt) + PAGE_TOKENS  # of the scratch pool, whose pages nobody owns
            slots = torch.arange(first, first + PAGE_TOKENS)
            for layer in range(LAYERS):
                self._load(self.scratch, data.host_value[page], slots, layer, "direct")
                found = self._mean(self.scratch, layer, slots[None].to(torch.int32))
                expected = number(tokens[: before + page.stop]) + layer
                assert abs(float(found[0]) - expected) < 1e-3
