"""Pins on SGLang's real tree: limits, ends, and that all memory comes back."""

import pytest

from superinfer.srt.cache.pins import Pins
from support.tree import Tree

pytestmark = pytest.mark.integration

POOL_TOKENS = 64


def prompt(seed, tokens):
    return [(seed * 1000 + index * 7) % 997 for index in range(tokens)]


@pytest.fixture
def tree():
    return Tree(POOL_TOKENS)


@pytest.fixture
def pins(tree):
    pins = Pins(tree.cache, 0.5)
    tree.cache.on_reset = pins.forget
    return pins


def node(tree, tokens):
    return tree.match(tokens).last_device_node


def serve_and_pin(tree, pins, owner, tokens, until_s=10.0):
    tree.serve(tokens)
    return pins.pin(owner, node(tree, tokens), until_s)


def test_a_pin_stays_until_its_time(tree, pins):
    assert serve_and_pin(tree, pins, "a", prompt(1, 16))
    tree.evict(POOL_TOKENS)
    assert tree.holds(prompt(1, 16)) == 16
    assert pins.tokens() == tree.cache.protected_size() == 16
    pins.follow(9.9, [0])
    assert pins.tokens() == 16
    pins.follow(10.0, [0])
    assert pins.tokens() == tree.cache.protected_size() == 0
    tree.evict(POOL_TOKENS)
    assert tree.holds(prompt(1, 16)) == 0
    tree.check()


def test_the_limit_counts_what_is_shared_once(tree, pins):
    shared = prompt(1, 16)
    assert serve_and_pin(tree, pins, "a", shared + prompt(2, 8))
    assert serve_and_pin(tree, pins, "b", shared + prompt(3, 8))
    assert pins.tokens() == 32
    assert not serve_and_pin(tree, pins, "c", shared + prompt(4, 8))
    assert set(pins.pins) == {"a", "b"}
    tree.check()


def test_a_later_turn_takes_over_the_pin_of_the_earlier(tree, pins):
    assert serve_and_pin(tree, pins, "turn 1", prompt(1, 16), 5.0)
    assert serve_and_pin(tree, pins, "turn 2", prompt(1, 16) + prompt(2, 8), 9.0)
    assert set(pins.pins) == {"turn 2"}
    assert tree.cache.protected_size() == 24
    pins.follow(9.0, [0])
    assert tree.cache.protected_size() == 0
    tree.check()


def test_a_split_below_a_pin_keeps_it(tree, pins):
    assert serve_and_pin(tree, pins, "a", prompt(1, 16))
    tree.serve(prompt(1, 11) + prompt(2, 5))
    pins.follow(10.0, [0])
    assert tree.cache.protected_size() == 0
    tree.check()


def test_the_end_of_a_session_releases_its_own(tree, pins):
    shared = prompt(1, 8)
    assert serve_and_pin(tree, pins, "system", shared, 99.0)
    assert serve_and_pin(tree, pins, "a", shared + prompt(2, 8))
    tree.serve(shared + prompt(3, 8))
    pins.end(node(tree, shared + prompt(2, 8)))
    assert set(pins.pins) == {"system"}
    tree.check()


def test_pins_give_way_to_the_longest_request(tree, pins):
    assert serve_and_pin(tree, pins, "soon", prompt(1, 16), 5.0)
    assert serve_and_pin(tree, pins, "later", prompt(2, 16), 9.0)
    pins.follow(0.0, [POOL_TOKENS - 16])
    assert set(pins.pins) == {"later"}
    assert not serve_and_pin(tree, pins, "more", prompt(3, 8))
    pins.follow(0.0, [POOL_TOKENS])
    assert not pins.pins
    pins.follow(0.0, [0])
    assert serve_and_pin(tree, pins, "more", prompt(3, 8))
    tree.check()


def test_a_flush_forgets_pins_and_a_gone_node_is_not_pinned(tree, pins):
    assert serve_and_pin(tree, pins, "a", prompt(1, 16))
    gone = node(tree, prompt(1, 16))
    tree.cache.reset()
    tree.allocator.clear()
    assert not pins.pins
    pins.follow(99.0, [0])
    assert not pins.pin("a", gone, 5.0)
    tree.check()
