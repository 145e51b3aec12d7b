"""What goes to the host, and what goes from it, on SGLang's real tree."""

import pytest

from superinfer.cache.claims import Claims, Level
from superinfer.cache.learned import Learned
from superinfer.cache.score import Cost
from superinfer.cache.worth import Prices
from superinfer.srt.cache import report
from superinfer.srt.cache.book import Ruling
from superinfer.srt.cache.pins import Pins
from support.host_tree import HostTree
from unit.cache.factory import constant, predictor

pytestmark = pytest.mark.integration


def prompt(seed, tokens=32):
    return [(seed * 1000 + index * 7) % 997 for index in range(tokens)]


def believed(*chances):
    """The learned rule decides, and says the same of every node."""

    def make():
        learned = Learned(constant(*chances) if chances else predictor())
        return Ruling(Claims(learned), lambda: "learned", learned=learned)

    return make


def costs(tree, token_ms, link_ms, pair_ms=0.0):
    tree.host._prices = lambda: Prices(Cost(token_ms, pair_ms), link_ms)


def test_what_will_not_be_used_is_dropped_and_what_will_is_kept():
    for chance, kept in ((0.01, 0), (0.6, 32)):
        tree = HostTree("write_back", rule=believed(chance, 0.001, 0.001, 0.001))
        costs(tree, token_ms=2.0, link_ms=0.5)
        tree.serve(prompt(1))
        tree.evict(64)
        assert tree.on_host(prompt(1)) == kept
        assert tree.host.discarded_tokens == 32 - kept
        tree.poll(), tree.check()


def test_what_is_too_slow_to_load_is_dropped():
    tree = HostTree("write_back", rule=believed(0.9, 0.9, 0.9, 0.9))
    costs(tree, token_ms=1.0, link_ms=0.9)
    tree.serve(prompt(1))
    tree.evict(64)
    assert tree.on_host(prompt(1)) == 0


def test_what_has_ended_is_dropped_and_what_is_parked_is_kept():
    tree = HostTree("write_back")
    tree.serve(prompt(1)), tree.serve(prompt(2))
    tree.claim("session", prompt(1), Level.ENDED)
    tree.claim("parked", prompt(2), Level.PARKED)
    tree.evict(64)
    assert [tree.on_host(prompt(seed)) for seed in (1, 2)] == [0, 32]


@pytest.mark.parametrize("write", ["write_through", "write_back"])
def test_who_waits_keeps_its_prefix_on_a_full_host(write):
    tree = HostTree(write, ratio=1.5)
    tree.serve(prompt(1))
    tree.claim("parked", prompt(1), Level.PARKED)
    for seed in range(2, 7):
        tree.serve(prompt(seed))
        tree.poll()
    tree.evict(64)
    assert tree.on_host(prompt(1)) == 32
    tree.cache.release("parked")
    tree.serve(prompt(8)), tree.serve(prompt(9)), tree.poll(), tree.evict(64)
    assert tree.on_host(prompt(1)) == 0
    tree.check()


def test_what_is_on_the_host_can_be_claimed():
    tree = HostTree("write_through", ratio=1.5)
    for seed in (1, 2):
        tree.serve(prompt(seed)), tree.poll()
    tree.evict(64)
    first = tree.host.next_victim()
    path = tree.cache.path_tokens(tree.match(prompt(1)).best_match_node)
    assert first in path
    tree.cache.claim_nodes("queued", path, Level.QUEUED)
    assert tree.host.next_victim() in tree.cache.path_tokens(tree.match(prompt(2)).best_match_node)
    tree.cache.release("queued")
    assert tree.host.next_victim() == first


def test_every_victim_is_worth_least():
    tree = HostTree("write_through", ratio=4.0, rule=believed())
    costs(tree, token_ms=2.0, link_ms=0.1, pair_ms=0.01)
    for seed in range(1, 8):
        tree.now_s += 0.7
        tree.serve(prompt(1, 8 * (seed % 3)) + prompt(seed, 32))
        tree.poll()
    tree.evict(64)
    host, core = tree.host, tree.cache.tree_core
    while core.evictable_host_leaves:
        tree.now_s += 3.0
        victim = host.next_victim()
        places = {node.id: host._place(node.id, tree.now_s)[0] for node in core.evictable_host_leaves}
        assert places[victim] == min(places.values())
        tree.cache.evict_host(1)
        assert core.node_or_none(victim) is None
    assert tree.host_used() == 0


def test_when_the_other_rule_decides_the_order_is_its_own():
    decides = ["learned"]

    def make():
        learned = Learned(constant(0.5, 0.5, 0.5, 0.5))
        return Ruling(Claims(learned), lambda: decides[0], learned=learned)

    tree = HostTree("write_through", rule=make)
    costs(tree, token_ms=1.0, link_ms=0.1, pair_ms=1.0)  # what is deep is worth more
    tree.serve(prompt(1, 48)), tree.poll(), tree.evict(64)
    tree.now_s = 0.5
    tree.serve(prompt(2, 8)), tree.poll(), tree.evict(64)
    shallow = tree.match(prompt(2, 8)).best_match_node
    assert tree.host.next_victim() == shallow
    decides[0] = "lru"
    tree.host._version -= 1  # as the guard's, when it changes its mind
    assert tree.host.next_victim() != shallow


def test_it_is_explained():
    tree = HostTree("write_back", rule=believed(0.6, 0.1, 0.1, 0.1))
    costs(tree, token_ms=2.0, link_ms=0.5)
    tree.serve(prompt(1))
    node = tree.match(prompt(1)).last_device_node
    name = tree.book.names.name_of(node).hex()
    told = report.node(tree.cache, name)["host"]
    assert (told["there"], told["offload"], told["keeps_s"]) == (False, True, None)
    assert told["saved_ms"] == pytest.approx(told["chance"] * (told["recompute_ms"] - told["load_ms"]))
    assert told["copy_ms"] == 4.0
    tree.evict(64)
    assert report.node(tree.cache, name)["host"]["there"]
    summary = report.summary(tree.cache, Pins(tree.cache, 0.0))["host"]
    assert summary["next"] == name
    assert summary["discarded_tokens"] == 0


def test_a_flush_forgets_all():
    tree = HostTree("write_through")
    tree.serve(prompt(1)), tree.poll(), tree.evict(64)
    tree.cache.reset(), tree.allocator.clear()
    assert tree.host.next_victim() is None
    tree.serve(prompt(1)), tree.poll(), tree.evict(64)
    assert tree.host.next_victim() is not None
    tree.check()
