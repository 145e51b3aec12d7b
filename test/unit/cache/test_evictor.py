"""The evictor against a tree that looks at everything each time."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from superinfer.cache.evictor import Evictor
from superinfer.cache.learned import Learned
from superinfer.cache.rule import LRU
from superinfer.cache.stored import Stored
from unit.cache.factory import constant, predictor, use

pytestmark = pytest.mark.unit


STORED = st.builds(Stored, st.integers(0, 2), st.sampled_from([0.285, 0.535, 1.0]))


class Plain:
    """Nodes by name: parent, tokens, locks, and how they are stored."""

    def __init__(self):
        self.nodes = {}

    def children(self, name, gone=()):
        return [other for other, node in self.nodes.items() if node["parent"] == name and other not in gone]

    def path(self, name):
        while name is not None:
            yield name
            name = self.nodes[name]["parent"]

    def depth(self, name):
        return sum(self.nodes[above]["tokens"] for above in self.path(name))

    def victims(self, need, key, groups):
        chosen = []
        while sum(self.nodes[name]["tokens"] for name in chosen) < need:
            free = [
                name
                for name, node in self.nodes.items()
                if name not in chosen and not node["locks"] and not self.children(name, chosen)
                if groups is None or node["stored"].group in groups
            ]
            if not free:
                break
            chosen.append(min(free, key=key))
        return chosen


class AgainstPlain(RuleBasedStateMachine):
    """Whatever happens to a tree, both choose the same victims."""

    def __init__(self):
        super().__init__()
        self.plain, self.seq, self.born, self.now_s = Plain(), 0, 0, 0.0

    @initialize(learned=st.booleans())
    def start(self, learned):
        self.rule = Learned(predictor()) if learned else LRU()
        self.evictor = Evictor(self.rule, ghosts=3)

    def key(self, name):
        slot = self.evictor.nodes.slots[name]
        return self.rule.key(slot, self.now_s)[0], slot

    def pick(self, data):
        return data.draw(st.sampled_from(sorted(self.plain.nodes)))

    def next_use(self, data):
        self.seq += 1
        self.now_s += data.draw(st.sampled_from([0.0, 0.5, 3.0, 40.0]))
        return use(self.seq, self.now_s)

    @rule(data=st.data(), tokens=st.integers(1, 9), again=st.booleans())
    def insert(self, data, tokens, again):
        parent = data.draw(st.sampled_from([None, *sorted(self.plain.nodes)]))
        old = [name for name in range(self.born) if name not in self.plain.nodes]
        name = old[-1] if again and old else self.born
        self.born = max(self.born, name + 1)
        now = self.next_use(data)
        if parent is not None:
            for above in reversed(list(self.plain.path(parent))):
                self.evictor.access(above, now)
        stored = data.draw(STORED)
        self.evictor.insert(name, parent, tokens, now, stored=stored)
        self.plain.nodes[name] = {"parent": parent, "tokens": tokens, "locks": 0, "stored": stored}

    @precondition(lambda self: self.plain.nodes)
    @rule(data=st.data(), stored=STORED)
    def store(self, data, stored):
        name = self.pick(data)
        self.evictor.store(name, stored)
        self.plain.nodes[name]["stored"] = stored

    @precondition(lambda self: self.plain.nodes)
    @rule(data=st.data())
    def access(self, data):
        name, now = self.pick(data), self.next_use(data)
        for above in reversed(list(self.plain.path(name))):
            self.evictor.access(above, now)

    @precondition(lambda self: self.plain.nodes)
    @rule(data=st.data())
    def lock(self, data):
        name = self.pick(data)
        self.evictor.lock(name)
        for above in self.plain.path(name):
            self.plain.nodes[above]["locks"] += 1
        self.locked = [*getattr(self, "locked", []), name]

    @precondition(lambda self: getattr(self, "locked", None))
    @rule()
    def unlock(self):
        name = self.locked.pop()
        self.evictor.unlock(name)
        for above in self.plain.path(name):
            self.plain.nodes[above]["locks"] -= 1

    @precondition(lambda self: any(node["tokens"] > 1 for node in self.plain.nodes.values()))
    @rule(data=st.data())
    def split(self, data):
        name = data.draw(st.sampled_from([n for n, node in sorted(self.plain.nodes.items()) if node["tokens"] > 1]))
        tokens = data.draw(st.integers(1, self.plain.nodes[name]["tokens"] - 1))
        upper, self.born = self.born, self.born + 1
        self.evictor.split(name, upper, tokens)
        node = self.plain.nodes[name]
        self.plain.nodes[upper] = {**node, "tokens": tokens}
        node["parent"], node["tokens"] = upper, node["tokens"] - tokens

    @rule(need=st.integers(0, 30), keep=st.integers(0, 3), groups=st.sampled_from([None, {0}, {1, 2}]))
    def evict(self, need, keep, groups):
        chosen = self.evictor.victims(need, self.now_s, groups)
        assert chosen == self.plain.victims(need, self.key, groups)
        for name in chosen[: len(chosen) - keep]:
            self.evictor.remove(name)
            del self.plain.nodes[name]

    @invariant()
    def sound(self):
        if hasattr(self, "evictor"):
            self.evictor.check_integrity()
            nodes = self.plain.nodes
            assert self.evictor.resident_tokens == sum(node["tokens"] for node in nodes.values())
            depth = self.evictor.nodes.depth
            assert all(depth[self.evictor.nodes.slots[name]] == self.plain.depth(name) for name in nodes)
            assert all(self.evictor.key(name, self.now_s) == self.key(name)[0] for name in nodes)


TestAgainstPlain = AgainstPlain.TestCase
TestAgainstPlain.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def test_the_order_may_change_with_time_alone():
    # A use is likely at once or not at all: what was used long ago is worth less than what is new, until both are old.
    evictor = Evictor(Learned(constant(0.9, 0.01, 0.01, 0.01)))
    evictor.insert("old", None, 10, use(1, 0.0))
    evictor.insert("new", None, 10, use(2, 3.5))
    assert evictor.victims(1, 3.6) == ["old"]
    evictor = Evictor(Learned(constant(0.01, 0.01, 0.9, 0.01)))
    evictor.insert("old", None, 10, use(1, 0.0))
    evictor.insert("new", None, 10, use(2, 3.5))
    assert evictor.victims(1, 4.1) == ["new"]
    assert evictor.victims(1, 17.0) == ["old"]


def test_what_takes_less_room_is_worth_more_a_byte():
    evictor = Evictor(Learned(constant(0.1, 0.1, 0.1, 0.1)))
    evictor.insert("small", None, 10, use(1, 0.0), stored=Stored(1, 0.25))
    evictor.insert("large", None, 10, use(2, 0.0), stored=Stored(0, 1.0))
    assert evictor.key("small", 0.0)[0] - evictor.key("large", 0.0)[0] == 2 * 64  # two octaves
    assert evictor.victims(1, 0.5) == ["large"]
    assert evictor.victims(1, 0.5, groups={1}) == ["small"]
    evictor.store("small", Stored(0, 1.0))
    assert evictor.victims(1, 0.5) == ["small"]


def test_what_was_not_removed_competes_again():
    evictor = Evictor(LRU())
    evictor.insert("a", None, 5, use(1))
    evictor.insert("b", None, 5, use(2))
    assert evictor.victims(1, 3.0) == ["a"]
    evictor.access("a", use(3))
    assert evictor.victims(10, 3.0) == ["b", "a"]


def test_misuse_is_an_error():
    evictor = Evictor(LRU())
    evictor.insert("a", None, 5, use(1))
    evictor.insert("b", "a", 5, use(1))
    with pytest.raises(ValueError, match="'a' is in the cache already"):
        evictor.insert("a", None, 5, use(2))
    with pytest.raises(ValueError, match="'c' is not in the cache"):
        evictor.access("c", use(2))
    with pytest.raises(ValueError, match="'a' has 1 children"):
        evictor.remove("a")
    with pytest.raises(ValueError, match="of 5 tokens cannot be split at 5"):
        evictor.split("b", "c", 5)


def test_integrity_is_checked():
    evictor = Evictor(LRU())
    evictor.insert("a", None, 5, use(1))
    evictor.nodes.children[evictor.nodes.slots["a"]] = 1
    with pytest.raises(RuntimeError, match="counts 1 children, not 0"):
        evictor.check_integrity()
