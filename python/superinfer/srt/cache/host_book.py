"""What of SGLang's tree is on the host only, what each of it is worth, and whether more should go there."""

from collections.abc import Callable
from math import inf
from typing import Any

from superinfer.cache.claims import Level
from superinfer.cache.learned import Learned
from superinfer.cache.ranking import Key, TimedRanking
from superinfer.cache.worth import Keeping, Offload, Prices, Worth
from superinfer.srt.cache.book import TreeBook
from superinfer.srt.cache.host_room import HostRoom

FORGOTTEN: Key = (float(Level.ENDED), -inf, 0.0, 0.0)
"""The place of a node that is on the host and whose history is not known any more: before all others."""


class HostBook:
    """Prices for the host tier, by the same predictor, claims and guard as on the device.

    Where the learned rule does not decide, chances are not believed: what has not ended is thought to be used again,
    and the least recently used goes first.

    Args:
        book: Of the device's nodes; it also remembers those that have left.
        room: Knows what nodes take on the host.
        prices: What computing and the link cost now.
        node_of: SGLang's node of a number.

    Attributes:
        evicted_tokens: Gone from the host to make room.
        discarded_tokens: Left the device without a copy, which would not have paid.
    """

    def __init__(
        self, book: TreeBook, room: HostRoom, prices: Callable[[], Prices], node_of: Callable[[int], Any]
    ) -> None:
        self._book = book
        self._room, self._prices, self._node_of = room, prices, node_of
        self.evicted_tokens = self.discarded_tokens = 0
        self.reset()

    def reset(self) -> None:
        """The tree is empty."""
        self._order = TimedRanking(self._place)
        self._keeping = Keeping(self._room.capacity_tokens)
        self._version = self._book.claims.version

    # What happens on the host.

    def wrote(self, node: Any) -> None:
        """``node`` was copied to the host."""
        self._keeping.wrote(self._room.taken(node), self._book.now_s())

    def evictable(self, node: Any, yes: bool) -> None:
        """Whether SGLang would evict ``node`` from the host."""
        if yes:
            self._book.names.of(node)
            self._order.put(node.id, self._book.now_s())
        else:
            self._order.drop(node.id)

    def moved(self, slots: set[int]) -> None:
        """Claims on these nodes have changed."""
        nodes, names = self._book.evictor.nodes, self._book.names
        for slot in sorted(slots):
            number = names.node_id(nodes.name(slot))
            if number is not None and number in self._order:
                self._order.put(number, self._book.now_s())

    # Decisions.

    def next_victim(self) -> int | None:
        """SGLang's number of the node to go next from the host."""
        claims = self._book.claims
        if claims.version != self._version:
            self._version = claims.version
            self._order.put_all(self._book.now_s())
        self._order.follow(self._book.now_s())
        return self._order.least()

    def offload(self, node: Any) -> Offload:
        """Whether ``node``, which leaves the device, is worth a copy. What hangs below it on the host goes or stays
        with it."""
        prices, victim = self._prices(), self.next_victim()
        worth = self._worth(node, prices)
        displaced = None if victim is None else self._worth(self._node_of(victim), prices)
        return prices.offload(worth, self._room.free(worth.room_tokens), displaced)

    def keeps_s(self) -> float:
        """How long the host keeps what goes there now."""
        return self._keeping.keeps_s(self._book.now_s())

    # Prices.

    def _worth(self, node: Any, prices: Prices) -> Worth:
        nodes = self._book.evictor.nodes
        slot = nodes.slots.get(self._book.names.of(node))
        if slot is None:
            return Worth(0.0, 0.0, 0.0, 1)
        chance, _ = self._chance(slot)
        start = nodes.depth[slot] - nodes.tokens[slot]
        return prices.worth(chance, start, nodes.tokens[slot], self._room.taken(node))

    def _chance(self, slot: int) -> tuple[float, float]:
        """Of a use before the host lets go, and the time up to which that is so."""
        now_s = self._book.now_s()
        level, until_s = self._book.claims.level(slot, now_s)
        if level != Level.NONE:
            return float(level > Level.NONE), until_s
        learned = self._believed()
        if learned is None:
            return 1.0, until_s
        chance, changes_s = learned.chance(slot, now_s, self.keeps_s())
        return chance, min(until_s, changes_s)

    def _believed(self) -> Learned[bytes] | None:
        ruling = self._book.ruling
        return ruling.learned if ruling.decider() == "learned" else None

    def _place(self, number: int, now_s: float) -> tuple[Key, float]:
        nodes = self._book.evictor.nodes
        slot = nodes.slots.get(self._book.names.name_of(number))
        if slot is None:
            return FORGOTTEN, inf
        level, until_s = self._book.claims.level(slot, now_s)
        last, price = nodes.last[slot], 0
        if self._believed() is not None:
            chance, until_s = self._chance(slot)
            start = nodes.depth[slot] - nodes.tokens[slot]
            room_tokens = self._room.taken(self._node_of(number))
            price = self._prices().worth(chance, start, nodes.tokens[slot], room_tokens).price
        return (level, price, last.seq, -nodes.depth[slot]), until_s
