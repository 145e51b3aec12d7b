"""What the scheduler does for the cache in each pass."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from sglang.srt.managers.scheduler import NextBatchPlan, Scheduler

from superinfer.kv import Format
from superinfer.srt.rotating_scheduler import RotatingScheduler

pytestmark = pytest.mark.integration


class Passes(RotatingScheduler):
    """As much of a scheduler as a pass needs."""

    def __init__(self, pinned):
        for name in ("ledger", "policy", "tree_cache", "token_to_kv_pool_allocator", "rotation", "grammar_manager"):
            setattr(self, name, MagicMock())
        self.settings = MagicMock(rotation=MagicMock(force_every=0), kv=SimpleNamespace(budget=None))
        self.clock = SimpleNamespace(now_us=0)
        self.grammar_manager.has_waiting_grammars.return_value = False
        self.host_tier = self.kv = self.slo_metrics = self.events = self.decisions = self.chunked_req = None
        self.page_size, self.rotation.parked, self.rotation.rejected = 1, {}, []
        self._queue_claims, self._void = None, []
        self.waiting_queue = [self.request()]
        self.tree_cache.evictable_size.return_value = self.token_to_kv_pool_allocator.available_size.return_value = 9
        self.cache_ends = MagicMock(pins=MagicMock(pins=pinned))

    def request(self):
        return MagicMock(origin_input_ids=[1] * 10, sampling_params=MagicMock(max_new_tokens=5), kv_floor=Format.NATIVE)

    def _reqs_finishing_inflight(self, batch):
        return []

    def get_num_allocatable_reqs(self, *args, **kwargs):
        return 1


@pytest.fixture(autouse=True)
def stock(monkeypatch):
    """SGLang admits nobody."""
    plan = NextBatchPlan(batch_to_run=None, running_batch=None)
    monkeypatch.setattr(Scheduler, "get_new_batch_prefill", lambda self, running_batch: plan)


@pytest.mark.parametrize("admits", [True, False])
def test_pins_are_looked_after_once_a_pass(admits):
    scheduler = Passes({"owner": "pin"})
    scheduler.rotation.admission.__bool__.return_value = admits
    scheduler.get_new_batch_prefill(MagicMock(reqs=[scheduler.request()]))
    scheduler.cache_ends.follow.assert_called_once_with([17])  # prompt, answer and two pages


def test_without_pins_nobody_goes_through_the_requests():
    scheduler = Passes({})
    scheduler.get_new_batch_prefill(MagicMock(reqs=[scheduler.request()]))
    scheduler.cache_ends.follow.assert_not_called()


def test_who_has_read_what_was_not_there_sits_out_a_pass():
    scheduler = Passes({})
    void, gone = scheduler.request(), scheduler.request()
    others = list(scheduler.waiting_queue)
    scheduler.waiting_queue.append(void)
    scheduler._void = [void, gone]  # one was aborted meanwhile
    seen = []
    scheduler.rotation.plan.side_effect = lambda running, waiting, *args: seen.append(list(waiting))
    scheduler.get_new_batch_prefill(MagicMock(reqs=[]))
    scheduler.get_new_batch_prefill(MagicMock(reqs=[]))
    assert seen == [others, [*others, void]]
