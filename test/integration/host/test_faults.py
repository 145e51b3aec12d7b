"""Copies that fail, on SGLang's real tree and real pools: what is lost is computed again, and all memory comes back."""

import pytest

from superinfer.srt.host.flight import Flight
from support.host_tree import HostTree

pytestmark = pytest.mark.integration

WRITES = ("write_through", "write_back")


def prompt(seed, tokens=24):
    return [(seed * 1000 + index * 7) % 997 for index in range(tokens)]


def check(tree):
    tree.poll()
    tree.check()
    used = sum(
        len(node.key)
        for node in tree.cache.tree_core._node_arena.values()
        if node is not tree.cache.tree_core.root_node and node.backuped
    )
    assert tree.host_used() == used


@pytest.mark.parametrize("page_size", [1, 4])
@pytest.mark.parametrize("write", WRITES)
def test_nodes_are_cut_and_come_back(write, page_size):
    tree = HostTree(write, page_size=page_size)
    tree.serve(prompt(1))
    tree.poll()
    assert len(tree.cache.path_tokens(tree.match(prompt(1)).last_device_node)) == 3
    tree.evict(64)
    assert tree.holds(prompt(1)) == 0
    assert tree.on_host(prompt(1)) == 24
    check(tree)
    found = tree.match(prompt(1))
    assert tree.cache.load_back(found.best_match_node)
    tree.cache.ready_to_load_host_cache()
    check(tree)
    assert tree.holds(prompt(1)) == 24


def test_part_of_a_prompt_goes_to_the_host_at_its_second_use():
    tree = HostTree("write_through_selective")
    tree.serve(prompt(1))
    tree.evict(64)
    assert tree.on_host(prompt(1)) == 0
    tree.serve(prompt(1))
    tree.serve(prompt(1)[:16])
    tree.poll()
    tree.evict(64)
    assert tree.on_host(prompt(1)) == 16
    check(tree)
