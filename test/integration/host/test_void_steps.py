"""A step that has read what did not arrive, on SGLang's real tree: whose it is, and what becomes of them."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from sglang.srt.managers.scheduler import NextBatchPlan, Scheduler

from superinfer.sched.step_time import StepTime
from superinfer.srt import parking
from superinfer.srt.host.flight import Flight
from superinfer.srt.recovering_scheduler import RecoveringScheduler
from support.host_tree import HostTree
from unit.sched.jobs import job

pytestmark = pytest.mark.integration


def prompt(seed, tokens=32):
    return [(seed * 1000 + index * 7) % 997 for index in range(tokens)]


class Req(SimpleNamespace):
    __hash__ = object.__hash__


class Steps(RecoveringScheduler):
    """As much of a scheduler as a step needs."""

    def __init__(self, tree):
        self.tree_cache, self.step_time, self.meter, self._sched_idled = tree.cache, StepTime(), MagicMock(), False
        self.clock, self.rotation = SimpleNamespace(now_us=0), MagicMock()
        self.rotation.book.job_of.side_effect = lambda req: job(req.seq)
        self.host_tier = SimpleNamespace(
            recovery=tree.recovery, flight=Flight(tree.cache), let_all_go=lambda: self.let_go.append(True)
        )
        self.waiting_queue, self.chunked_req, self._void, self.let_go, self.out = [], None, [], [], []

    def note_taken_out(self, reasons):
        self.out.append(reasons)


@pytest.fixture
def tree():
    tree = HostTree("write_through", ratio=4.0)
    for seed in (1, 2):
        tree.serve(prompt(seed)), tree.poll(), tree.evict(64)
    return tree


@pytest.fixture
def steps(tree, monkeypatch):
    monkeypatch.setattr(Scheduler, "run_batch", lambda self, batch: "result")
    monkeypatch.setattr(Scheduler, "get_next_batch_to_run", lambda self, *_: NextBatchPlan(None, None))
    monkeypatch.setattr(parking, "take_back", lambda req, cache: cache.unlock(req.lock))
    return Steps(tree)


def admitted(tree, seq, tokens):
    """A request that has come in with what is in the tree of its prompt."""
    node = tree.match(tokens).last_device_node
    return Req(seq=seq, last_node=node, lock=tree.cache.lock(node), time_stats=MagicMock())


def begin(tree, tokens):
    assert tree.cache.load_back(tree.match(tokens).best_match_node)
    return tree.cache.ready_to_load_host_cache()


def batch(index, *reqs):
    return SimpleNamespace(hicache_consumer_index=index, reqs=list(reqs))


def test_readers_are_taken_back_and_others_are_not(tree, steps):
    assert begin(tree, prompt(2)) >= 0
    tree.poll()
    other = admitted(tree, 2, prompt(2))
    tree.fails = {"load"}
    index = begin(tree, prompt(1))
    reader, newcomer = admitted(tree, 1, prompt(1)), admitted(tree, 3, prompt(3))
    steps.chunked_req = reader
    assert steps.run_batch(batch(index, reader, other, newcomer)) == "result"
    assert steps.waiting_queue == steps._void == [reader]
    assert steps.out == [{reader: "memory"}]
    assert steps.chunked_req is None
    assert (tree.holds(prompt(1)), tree.on_host(prompt(1)), tree.holds(prompt(2))) == (0, 0, 32)
    tree.cache.unlock(other.lock), tree.cache.unlock(newcomer.lock)
    tree.poll(), tree.check()


def test_a_load_that_arrives_changes_nothing(tree, steps):
    index = begin(tree, prompt(1))
    reader = admitted(tree, 1, prompt(1))
    steps.run_batch(batch(index, reader))
    assert (steps.waiting_queue, steps._void, steps.let_go) == ([], [], [])
    tree.poll()
    assert tree.holds(prompt(1)) == 32


def test_a_step_that_waits_for_no_load_is_not_looked_at(tree, steps):
    tree.fails = {"load"}
    begin(tree, prompt(1))
    steps.run_batch(batch(-1))
    assert steps.let_go == []


def test_the_void_do_not_run_on(steps):
    void, last = SimpleNamespace(seq=1), MagicMock()
    steps._void = [void]
    steps.get_next_batch_to_run(None, last)
    last.filter_batch.assert_called_once_with(reqs_to_exclude=[void])
    steps._void = []
    steps.get_next_batch_to_run(None, last)
    last.filter_batch.assert_called_once()
