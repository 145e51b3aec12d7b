"""LRU or the learned rule: whichever has done better lately, seen on a sample of the traffic."""

from dataclasses import dataclass
from math import exp, sqrt

from superinfer.cache.learned import Learned
from superinfer.cache.nodes import NodeId, Nodes
from superinfer.cache.ranking import Key
from superinfer.cache.rule import LRU, Rule
from superinfer.cache.shadow import Shadow
from superinfer.cache.use import Use


@dataclass(frozen=True, slots=True)
class Watch:
    """How the guard looks at the two rules.

    Attributes:
        one_in: The part of the nodes that its shadow caches follow.
        turnovers: A hit counts for 1/e after the traffic has filled the cache so many times.
        sure: How many standard deviations the learned rule has to lead by before it decides.
        credit: How many times that lead it can have at most: what it may lose before LRU decides again.
    """

    one_in: int = 20
    turnovers: float = 16.0
    sure: float = 3.0
    credit: float = 1.5

    @classmethod
    def of(cls, capacity_nodes: int) -> "Watch":
        """A sample of a twentieth, or more where shadows would hold less than a thousand nodes."""
        return cls(one_in=min(max(capacity_nodes // 1024, 1), 20))


class Guarded(Rule[NodeId]):
    """The shipping rule: LRU decides at first, and whenever the learned rule does not lead.

    Two shadow caches, one of each rule, follow the same hash-sampled nodes and hold the same part of the capacity. What
    they hit is compared request by request, each token as what it saves; a lead counts if chance would hardly produce
    it, and it fades.

    Args:
        learned: The rule that has to earn it.
        capacity_tokens: How many tokens the memory holds if all take as much as they can.
        watch: How the two are compared.
    """

    def __init__(self, learned: Learned[NodeId], capacity_tokens: int, watch: Watch) -> None:
        self.learned = learned
        self.learned_decides = False
        self.lead_tokens = 0.0
        self._lru: LRU[NodeId] = LRU()
        self._watch, self._one_in = watch, watch.one_in
        share = capacity_tokens / watch.one_in
        self._shadows = (Shadow(share, self._lru.key), Shadow(share, learned.key))
        self._window_tokens = watch.turnovers * share
        self._request = -1
        self._ahead, self._sampled = 0.0, 0
        self._followed: dict[int, None] = {}
        self._noise = 0.0
        self._switches = 0

    @property
    def version(self) -> int:
        """How often the decision has passed from one rule to the other."""
        return self._switches

    def attach(self, nodes: Nodes[NodeId]) -> None:
        """Keep the nodes."""
        self.nodes = nodes
        self._lru.attach(nodes)
        self.learned.attach(nodes)

    def born(self, slot: int, use: Use) -> None:
        """Tell both rules and the shadows."""
        if use.seq != self._request:
            self._next_request(use)
        self.learned.born(slot, use)
        # Fibonacci hashing: neighbours on a path should not be sampled together.
        if not (slot * 2654435769 >> 12) % self._one_in:
            self._follow(slot, use)

    def used(self, slot: int, use: Use) -> None:
        """Tell both rules and the shadows."""
        if use.seq != self._request:
            self._next_request(use)
        self.learned.used(slot, use)
        # Fibonacci hashing: neighbours on a path should not be sampled together.
        if not (slot * 2654435769 >> 12) % self._one_in:
            self._follow(slot, use)

    def amended(self, slot: int, use: Use) -> None:
        """Tell the learned rule; in both shadows the node may have another place."""
        self.learned.amended(slot, use)
        for shadow in self._shadows:
            shadow.moved(slot)

    def split(self, lower: int, upper: int) -> None:
        """Tell the learned rule; the shadows go on with the lower part, at its new length after its next use."""
        self.learned.split(lower, upper)

    def forgotten(self, slot: int) -> None:
        """Tell both."""
        for shadow in self._shadows:
            shadow.drop(slot)
        self._followed.pop(slot, None)
        self.learned.forgotten(slot)

    def key(self, slot: int, now_s: float) -> tuple[Key, float]:
        """That of the rule that decides."""
        return self.learned.key(slot, now_s) if self.learned_decides else self._lru.key(slot, now_s)

    def _follow(self, slot: int, use: Use) -> None:
        tokens = self.nodes.tokens[slot]
        held = self.nodes.stored[slot].held_tokens(tokens)
        self._sampled += held
        lru, learned = self._shadows
        if lru.holds(slot) != learned.holds(slot):
            saved = tokens * self.learned.worth(slot)
            self._ahead += saved if learned.holds(slot) else -saved
        for shadow in self._shadows:
            shadow.put(slot, held)
        self._followed[slot] = None

    def _next_request(self, use: Use) -> None:
        self._request = use.seq
        self.learned.foresee(self._followed)
        self._followed.clear()
        for shadow in self._shadows:
            shadow.make_room(use.time_s)
        fade = exp(-self._sampled / self._window_tokens)
        self.lead_tokens = self.lead_tokens * fade + self._ahead
        self._noise = self._noise * fade**2 + self._ahead**2
        self._ahead, self._sampled = 0.0, 0
        self.decide()

    def decide(self) -> None:
        """Let the learned rule decide while it leads."""
        bar = self._watch.sure * sqrt(self._noise)
        self.lead_tokens = min(self.lead_tokens, self._watch.credit * bar)
        leads = self.lead_tokens > (0.0 if self.learned_decides else bar)
        if leads != self.learned_decides:
            self.learned_decides = leads
            self._switches += 1
