"""What decides which node goes first."""

from math import inf
from typing import Protocol

from superinfer.cache.nodes import NodeId, Nodes
from superinfer.cache.ranking import Key
from superinfer.cache.use import Use


class Rule(Protocol[NodeId]):
    """Orders the leaves of a tree. A rule is a pure function of what it was told: it reads no clock."""

    @property
    def version(self) -> int:
        """Another number means that all keys may have changed."""

    def attach(self, nodes: Nodes[NodeId]) -> None:
        """Learn whose nodes are meant, before anything else."""

    def born(self, slot: int, use: Use) -> None:
        """A node has appeared that is not remembered."""

    def used(self, slot: int, use: Use) -> None:
        """A request has used a node, or brought back a remembered one."""

    def amended(self, slot: int, use: Use) -> None:
        """More is known of a node's last use."""

    def split(self, lower: int, upper: int) -> None:
        """The first part of ``lower`` is now the node ``upper``."""

    def forgotten(self, slot: int) -> None:
        """The slot will hold another node."""

    def key(self, slot: int, now_s: float) -> tuple[Key, float]:
        """Its place in the order, least goes first, and the time up to which it goes no sooner if nothing happens.

        It may go later by then: whoever takes the least asks again.
        """


class KeyRule(Rule[NodeId]):
    """A rule whose keys change only by use."""

    nodes: Nodes[NodeId]

    @property
    def version(self) -> int:
        """Always the same."""
        return 0

    def attach(self, nodes: Nodes[NodeId]) -> None:
        """Keep the nodes for ``place``."""
        self.nodes = nodes

    def born(self, slot: int, use: Use) -> None:
        """Nothing to do: the nodes have it."""

    def used(self, slot: int, use: Use) -> None:
        """Nothing to do: the nodes have it."""

    def amended(self, slot: int, use: Use) -> None:
        """Nothing to do: the nodes have it."""

    def split(self, lower: int, upper: int) -> None:
        """Nothing to do: the nodes have it."""

    def forgotten(self, slot: int) -> None:
        """Nothing to do: the nodes have it."""

    def key(self, slot: int, now_s: float) -> tuple[Key, float]:
        """The place, for good."""
        return self.place(slot), inf

    def place(self, slot: int) -> Key:
        """Its key."""
        raise NotImplementedError


class LRU(KeyRule[NodeId]):
    """Least recently used first; of one request, the deepest first."""

    def place(self, slot: int) -> Key:
        """By last use."""
        return (self.nodes.last[slot].seq, -self.nodes.depth[slot])
