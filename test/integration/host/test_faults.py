"""Copies that fail, on SGLang's real tree and real pools: what is lost is computed again, and all memory comes back."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from superinfer.srt.host.counts import Counts
from superinfer.srt.host.flight import Flight
from superinfer.srt.host.link import HostLoadError
from support.host_tree import HostTree

pytestmark = pytest.mark.integration

WRITES = ("write_through", "write_through_selective", "write_back")
TOKENS = st.lists(st.integers(0, 1), min_size=10, max_size=40)


def prompt(seed, tokens=24):
    return [(seed * 1000 + index * 7) % 997 for index in range(tokens)]


def load(tree, tokens):
    """Bring a prompt back, as the scheduler does; returns whether a load began."""
    if not tree.cache.load_back(tree.match(tokens).best_match_node):
        return False
    tree.cache.ready_to_load_host_cache()
    failed = tree.recovery.failed()
    if failed:
        tree.recovery.finish(failed, Flight(tree.cache))
    return True


def check(tree):
    tree.poll()
    tree.check()
    core = tree.cache.tree_core
    kept = [node for node in core._node_arena.values() if node is not core.root_node and node.backuped]
    assert tree.host_used() == sum(len(node.key) for node in kept)
    for node in kept:
        above = node.parent
        assert above is core.root_node or above.backuped or (core.is_write_back and not above.evicted)
    assert len(tree.host._order) == len(core.evictable_host_leaves)


class WithFaults(RuleBasedStateMachine):
    """Random traffic, while copies fail or do not."""

    @initialize(write=st.sampled_from(WRITES), page_size=st.sampled_from([1, 4]), ratio=st.sampled_from([1.5, 4.0]))
    def start(self, write, page_size, ratio):
        self.tree = HostTree(write, page_size=page_size, ratio=ratio)
        self.prompts = [[0] * 20]

    @rule(tokens=TOKENS)
    def serve(self, tokens):
        self.prompts.append(tokens)
        self.tree.serve(tokens)

    @rule(data=st.data(), more=TOKENS)
    def go_on(self, data, more):
        self.serve(data.draw(st.sampled_from(self.prompts))[:20] + more)

    @rule(tokens=st.integers(1, 64))
    def evict(self, tokens):
        self.tree.evict(tokens)

    @rule(data=st.data())
    def come_back(self, data):
        load(self.tree, data.draw(st.sampled_from(self.prompts)))

    @rule(seconds=st.sampled_from([0.1, 3.0, 50.0]))
    def wait(self, seconds):
        self.tree.now_s += seconds

    @rule()
    def poll(self):
        self.tree.poll()

    @rule(ways=st.sets(st.sampled_from(["store", "load"])))
    def fail(self, ways):
        self.tree.fails = ways

    @invariant()
    def sound(self):
        if hasattr(self, "tree"):
            check(self.tree)


TestWithFaults = WithFaults.TestCase
TestWithFaults.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("page_size", [1, 4])
@pytest.mark.parametrize("write", ["write_through", "write_back"])
def test_nodes_are_cut_and_come_back(write, page_size):
    tree = HostTree(write, page_size=page_size)
    tree.serve(prompt(1))
    tree.poll()
    assert len(tree.cache.path_tokens(tree.match(prompt(1)).last_device_node)) == 3
    tree.evict(64)
    assert (tree.holds(prompt(1)), tree.on_host(prompt(1))) == (0, 24)
    check(tree)
    assert load(tree, prompt(1))
    check(tree)
    assert tree.holds(prompt(1)) == 24


def test_a_beginning_goes_to_the_host_at_its_second_use():
    tree = HostTree("write_through_selective")
    tree.serve(prompt(1))
    tree.serve(prompt(1, 16))
    tree.poll()
    tree.evict(64)
    assert tree.on_host(prompt(1)) == 16
    check(tree)


def test_a_copy_to_the_host_that_fails_is_not_there_and_is_made_at_the_next_use():
    tree = HostTree("write_through")
    tree.fails = {"store"}
    tree.serve(prompt(1))
    check(tree)
    assert tree.recovery.by_what()["offload_failed"] == 24
    assert (tree.host_used(), tree.holds(prompt(1))) == (0, 24)
    tree.fails = set()
    tree.serve(prompt(1))
    check(tree)
    tree.evict(64)
    assert tree.on_host(prompt(1)) == 24


def test_only_copies_that_arrived_count_as_offloaded():
    tree = HostTree("write_through")
    counts = Counts(tree.cache.cache_controller)
    tree.fails = {"store"}
    tree.serve(prompt(1))
    check(tree)
    assert counts.offloaded == 0
    tree.fails = set()
    tree.serve(prompt(1))
    check(tree)
    assert counts.offloaded == 24


def test_what_hangs_below_a_lost_copy_is_kept_on_the_device_only():
    tree = HostTree("write_through")
    tree.fails = {"store"}
    tree.serve(prompt(1, 16))
    tree.cache.flush_pending_backups()
    tree.fails = set()
    tree.serve(prompt(1, 32))  # a copy of its own, before the failure is seen
    check(tree)
    assert tree.host_used() == 0
    assert tree.holds(prompt(1, 32)) == 32


def test_written_at_eviction_a_failure_costs_the_prefix_and_nothing_else():
    tree = HostTree("write_back")
    tree.serve(prompt(1))
    tree.fails = {"store"}
    assert tree.evict(64) == 24
    check(tree)
    assert (tree.holds(prompt(1)), tree.on_host(prompt(1)), tree.host_used()) == (0, 0, 0)
    assert tree.recovery.by_what()["offload_failed"] == 24
    tree.fails = set()
    assert tree.serve(prompt(1)) == 0


@pytest.mark.parametrize("write", ["write_through", "write_back"])
def test_a_load_that_fails_is_computed_again(write):
    tree = HostTree(write, ratio=4.0)
    tree.serve(prompt(1, 32))
    tree.poll()
    tree.evict(64)
    tree.serve(prompt(1, 8))
    tree.fails = {"load"}
    assert load(tree, prompt(1, 24))
    check(tree)
    # The first block was on the device; the fourth hung below those that were lost.
    assert (tree.holds(prompt(1, 32)), tree.on_host(prompt(1, 32))) == (8, 0)
    assert tree.recovery.by_what()["load_failed"] == 24
    tree.fails = set()
    assert tree.serve(prompt(1, 32)) == 8
    check(tree)


def test_what_somebody_reads_is_not_taken_away():
    tree = HostTree("write_through")
    tree.serve(prompt(1))
    tree.poll()
    tree.evict(64)
    tree.fails = {"load"}
    tree.cache.load_back(tree.match(prompt(1)).best_match_node)
    tree.cache.ready_to_load_host_cache()
    tree.cache.lock(tree.match(prompt(1)).last_device_node)
    with pytest.raises(HostLoadError, match="being read"):
        tree.recovery.finish(tree.recovery.failed(), Flight(tree.cache))


@pytest.mark.parametrize("write", ["write_through", "write_back"])
def test_a_host_that_is_full_lets_the_least_recently_used_go(write):
    tree = HostTree(write, ratio=1.5)
    for seed in range(1, 6):
        tree.serve(prompt(seed, 32))
        tree.poll()
        check(tree)
    tree.evict(64)
    assert [tree.on_host(prompt(seed, 32)) for seed in range(1, 6)] == [0, 0, 32, 32, 32]
    assert tree.recovery.by_what()["evicted"] == 64
    check(tree)
