"""Our order on SGLang's real tree: whatever happens to it, the book agrees with it and the cheapest leaf goes first."""

from array import array
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sglang.srt.mem_cache.base_prefix_cache import MatchPrefixParams
from sglang.srt.mem_cache.radix_cache import RadixKey

from superinfer.cache.claims import Level
from superinfer.cache.learned import Learned
from superinfer.cache.rule import LRU
from support.tree import Tree
from unit.cache.factory import predictor

pytestmark = pytest.mark.integration

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=40)


class AgainstSGLang(RuleBasedStateMachine):
    """Random traffic over few tokens, so that prompts share beginnings and nodes are split."""

    @initialize(page_size=st.sampled_from([1, 4]), learned=st.booleans())
    def start(self, page_size, learned):
        rule = (lambda: Learned(predictor())) if learned else LRU
        self.tree = Tree(64, page_size, rule)
        self.locks, self.prompts, self.waiting = [], [], {}
        self.check_victims()

    def check_victims(self):
        """Every victim is the least of all that could go."""
        book, choose = self.tree.book, self.tree.book.next_victim

        def checked():
            chosen = choose()
            evictor = book.evictor
            slots = [evictor.nodes.slots[name] for name in evictor.leaves()]
            if chosen is not None:
                least = min(slots, key=lambda slot: (book.claims.key(slot, self.tree.now_s)[0], slot))
                assert book.names.id_of(evictor.nodes.name(least)) == chosen
            return chosen

        book.next_victim = checked

    @rule(tokens=TOKENS, output=st.integers(0, 5))
    def serve(self, tokens, output):
        self.prompts.append(tokens)
        self.tree.serve(tokens, output_tokens=output)

    @precondition(lambda self: self.prompts)
    @rule(data=st.data(), more=TOKENS)
    def continue_one(self, data, more):
        self.serve(data.draw(st.sampled_from(self.prompts)) + more, 1)

    @rule(tokens=TOKENS)
    def match(self, tokens):
        self.tree.match(tokens)

    @precondition(lambda self: self.prompts)
    @rule(data=st.data())
    def match_one_that_waits(self, data):
        """What is remembered of a match is what would be found."""
        tokens = data.draw(st.sampled_from(self.prompts))
        req = self.waiting.setdefault(tuple(tokens), SimpleNamespace(session=None))
        params = MatchPrefixParams(key=RadixKey(array("q", tokens)), req=req)
        remembered, found = self.tree.cache.match_prefix(params), self.tree.match(tokens)
        assert remembered.device_prefix_len == found.device_prefix_len
        assert remembered.last_device_node == found.last_device_node

    @rule(seconds=st.sampled_from([0.1, 3.0, 50.0]))
    def wait(self, seconds):
        self.tree.now_s += seconds

    @rule(tokens=TOKENS)
    def lock(self, tokens):
        node = self.tree.match(tokens).last_device_node
        self.locks.append(self.tree.cache.lock(node))

    @precondition(lambda self: self.locks)
    @rule()
    def unlock(self):
        self.tree.cache.unlock(self.locks.pop(0))

    @rule(tokens=st.integers(1, 40))
    def evict(self, tokens):
        before = self.tree.cache.evictable_size()
        assert self.tree.evict(tokens) >= min(tokens, before)

    @rule(tokens=TOKENS, owner=st.integers(0, 2), level=st.sampled_from(list(Level)), seconds=st.integers(0, 20))
    def claim(self, tokens, owner, level, seconds):
        self.tree.claim(owner, tokens, level, self.tree.now_s + seconds)

    @rule(owner=st.integers(0, 2))
    def release(self, owner):
        self.tree.cache.release(owner)

    @precondition(lambda self: not self.locks)
    @rule()
    def flush(self):
        self.tree.cache.reset()
        self.tree.allocator.clear()

    @invariant()
    def sound(self):
        if hasattr(self, "tree"):
            self.tree.check()


TestAgainstSGLang = AgainstSGLang.TestCase
TestAgainstSGLang.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def prompt(seed, tokens):
    return [(seed * 1000 + index * 7) % 997 for index in range(tokens)]


def test_prompts_are_cut_into_blocks_that_go_one_by_one():
    tree = Tree(64)
    tree.serve(prompt(1, 30))
    assert tree.evict(1) == 6  # the last block is short
    assert tree.evict(1) == 8
    assert tree.holds(prompt(1, 30)) == 16


def test_what_comes_back_after_its_eviction_is_remembered():
    tree = Tree(64)
    tree.serve(prompt(1, 16))
    tree.evict(16)
    tree.now_s = 5.0
    tree.serve(prompt(1, 20))
    evictor = tree.book.evictor
    uses = sorted(evictor.nodes.uses[slot] for slot in evictor.nodes.slots.values())
    assert len(uses) == 3
    assert [evictor.nodes.born[slot] for slot in evictor.nodes.slots.values()].count(0) >= 1
    tree.check()


def test_namespaces_do_not_share_names():
    tree = Tree(64)
    tree.serve(prompt(1, 16))
    assert tree.serve(prompt(1, 16), extra_key="adapter") == 0
    assert len(tree.book.evictor.nodes.slots) == 4
    tree.check()


def test_the_least_recently_used_goes_first_and_what_is_claimed_last():
    tree = Tree(48)
    for seed in (1, 2, 3):
        tree.serve(prompt(seed, 16))
    tree.claim("parked", prompt(1, 16), Level.PARKED)
    tree.evict(17)
    assert [tree.holds(prompt(seed, 16)) for seed in (1, 2, 3)] == [16, 0, 8]
    tree.cache.release("parked")
    tree.evict(16)
    assert [tree.holds(prompt(seed, 16)) for seed in (1, 2, 3)] == [0, 0, 8]


def test_a_claim_does_not_keep_anybody_from_getting_room():
    tree = Tree(32)
    tree.serve(prompt(1, 32))
    tree.claim("parked", prompt(1, 32), Level.PARKED)
    assert tree.serve(prompt(2, 32)) == 0
    tree.check()


def test_a_victim_that_sglang_declines_does_not_stop_the_walk():
    tree = Tree(32)
    tree.serve(prompt(1, 16))
    tree.serve(prompt(2, 16))
    core = tree.cache.tree_core
    first = core.book.next_victim()
    second = core.book.next_victim()
    assert first != second
    core.evict_device_start(next(iter(core.components_by_type)), 0)
    core.evict_device_end(next(iter(core.components_by_type)))
    assert core.book.next_victim() == first
    core.book.end_eviction()
    tree.check()


def test_a_match_is_remembered_only_while_it_is_the_longest():
    tree = Tree(64)
    req = SimpleNamespace(session=None)
    key = RadixKey(array("q", prompt(1, 30)))

    def found():
        return tree.cache.match_prefix(MatchPrefixParams(key=key, req=req)).device_prefix_len

    assert found() == 0
    tree.serve(prompt(1, 12))
    assert found() == 12
    tree.serve(prompt(1, 10) + prompt(2, 10))  # splits what was found
    assert found() == 12
    tree.serve(prompt(2, 5))
    assert found() == 12
    tree.serve(prompt(1, 20))
    assert found() == 20
    tree.evict(40)
    assert found() < 20
    tree.cache.reset()
    tree.allocator.clear()
    assert found() == 0
