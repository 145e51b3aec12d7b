"""What the evictor is told of SGLang's tree: nodes whose KV is on the device."""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from superinfer.cache.claims import Claims
from superinfer.cache.evictor import Evictor
from superinfer.cache.learned import Learned
from superinfer.cache.score import Cost
from superinfer.cache.use import Kind, Use
from superinfer.srt.cache.asker import NOBODY, Asker
from superinfer.srt.cache.measure import Measure
from superinfer.srt.cache.names import PrefixNames

VICTIMS = 256
"""Names of evicted nodes that are kept until somebody asks for them."""


class Observer(Protocol):
    """Hears of what the cache does; the Prometheus metrics are one."""

    def evicted(self, rule: str, tokens: int) -> None:
        """So many tokens made room, chosen by ``rule``."""

    def found(self, tokens: int) -> None:
        """A request found so many tokens of its prompt."""

    def pinned(self, tokens: int) -> None:
        """So many tokens are pinned now."""


@dataclass(slots=True)
class Visit:
    """A request's way through the cache: one use of each node, of which more is known at its end.

    Attributes:
        use: The use as it is known now.
        seqs: Numbers that it has had, in rising order.
    """

    use: Use
    seqs: list[int]


class TreeBook:
    """Keeps an evictor in step with SGLang's tree.

    SGLang's core says what could be evicted, and the evictor which of it goes first: so nothing is evicted that SGLang
    would not, whatever locks or tiers there are.

    Args:
        make_rule: The order, anew after each flush; and under what name its choices are counted.
        ghosts: Evicted nodes that are remembered.
        block_tokens: New nodes are cut at multiples of it, so that they are found again.
        measure: Knows where nodes lie, and how much room that is.

    Attributes:
        grown: SGLang's number of a node -> how often nodes have been added right below it.
        on_moved: Hears of the slots whose claims have changed.
    """

    def __init__(self, make_rule: Callable[[], "Ruling"], ghosts: int, block_tokens: int, measure: Measure) -> None:
        self.block_tokens = block_tokens
        self.measure = measure
        self.names = PrefixNames()
        self.now_s: Callable[[], float] = lambda: 0.0
        self.cost: Callable[[], Cost] | None = None
        self.visit: Visit | None = None
        self.grown: dict[int, int] = {}
        self.evicted: Counter[str] = Counter()
        self.observer: Observer | None = None
        self.on_moved: Callable[[set[int]], None] | None = None
        self._make_rule, self._ghosts = make_rule, ghosts
        self._seq = 0
        self._victims: deque[bytes] = deque(maxlen=VICTIMS)
        self._asked: bytes | None = None
        self._declined: list[bytes] = []
        self._start()

    def _start(self) -> None:
        self.ruling = self._make_rule()
        self.claims = self.ruling.claims
        self.evictor: Evictor[bytes] = Evictor(self.claims, self._ghosts)

    def reset(self) -> None:
        """The tree is empty."""
        self.names = PrefixNames()
        self.visit = None
        self.grown = {}
        self._asked, self._declined = None, []
        self._start()

    # Uses.

    def begin(self, prompt_tokens: int, new_tokens: int, asker: Asker = NOBODY) -> Visit:
        """A request's prompt has begun to be computed."""
        self._seq += 1
        if self.ruling.learned is not None and self.cost is not None:
            self.ruling.learned.cost = self.cost()
        use = Use(
            self._seq,
            self.now_s(),
            prompt_tokens,
            new_tokens,
            slo_class=asker.slo_class,
            tenant=asker.tenant,
            slack_ms=asker.slack_ms,
            kind=asker.kind,
        )
        return Visit(use, [self._seq])

    def later(self, visit: Visit, output_tokens: int) -> None:
        """The request leaves the engine, having got so many tokens; what it leaves is as recent as can be."""
        self._seq += 1
        visit.seqs.append(self._seq)
        visit.use = replace(visit.use, seq=self._seq, output_tokens=output_tokens)

    def known_tokens(self, names: Iterable[bytes], prompt_tokens: int) -> int:
        """How many tokens of a prompt an earlier one had, by the names of its blocks."""
        known = 0
        for name in names:
            if not self.evictor.known(name):
                break
            known += self.block_tokens
        return min(known, prompt_tokens)

    def _current(self) -> Visit:
        if self.visit is None:
            self.visit = self.begin(prompt_tokens=1, new_tokens=0)
        return self.visit

    def moved(self, slots: set[int]) -> None:
        """Claims on the nodes in these slots have changed."""
        self.evictor.reorder(slots)
        if self.on_moved is not None:
            self.on_moved(slots)

    # What happens to the tree.

    def added(self, node: Any, evictable: bool) -> None:
        """The KV of SGLang's ``node`` is on the device now."""
        name, parent = self.names.of(node), node.parent
        self.grown[parent.id] = self.grown.get(parent.id, 0) + 1
        above = None if parent.parent is None else self.names.of(parent)
        use, stored = self._current().use, self.measure.stored(node)
        self.evictor.insert(name, above, len(node.key), use, self._kind(above, use), stored)
        if not evictable:
            self.evictor.hold(name)

    def _kind(self, above: bytes | None, use: Use) -> Kind:
        """Of a new node below ``above``: answers follow the prompt."""
        nodes = self.evictor.nodes
        start = 0 if above is None else nodes.depth[nodes.slots[above]]
        return use.kind if start < use.prompt_tokens else Kind.GENERATED

    def used(self, node: Any) -> None:
        """A request's tokens end at or after those of ``node``."""
        name, visit = self.names.of(node), self._current()
        if not self.evictor.resident(name):
            return
        last = self.evictor.nodes.last[self.evictor.nodes.slots[name]]
        if last.seq < visit.seqs[0]:
            self.evictor.access(name, visit.use)
        elif last.seq != visit.use.seq and last.seq in visit.seqs:
            self.evictor.amend(name, visit.use)

    def split(self, upper: Any, lower: Any, evictable: bool) -> None:
        """The first tokens of ``lower`` are a node of their own."""
        if not self.evictor.resident(self.names.of(lower)):
            return
        name = self.names.of(upper)
        self.evictor.split(self.names.of(lower), name, len(upper.key))
        for part in (lower, upper):
            self.restored(part)
        if not evictable:
            self.evictor.hold(name)

    def restored(self, node: Any) -> None:
        """The KV of ``node`` lies elsewhere on the device now."""
        self.evictor.store(self.names.of(node), self.measure.stored(node))

    def removed(self, node: Any) -> None:
        """The KV of ``node`` has left the device."""
        name = self.names.of(node)
        self.evictor.remove(name)
        self._victims.append(name)
        rule, tokens = self.ruling.decider(), len(node.key)
        self.evicted[rule] += tokens
        if self.observer:
            self.observer.evicted(rule, tokens)

    def take_victims(self) -> list[str]:
        """Names of the last nodes that were removed since the last call, for comparing ranks."""
        taken = [name.hex()[:12] for name in self._victims]
        self._victims.clear()
        return taken

    def forget(self, node: Any) -> None:
        """SGLang has dropped ``node``."""
        self.grown.pop(node.id, None)
        if node.parent is not None:
            self.names.forget(node)

    def evictable(self, node: Any, yes: bool) -> None:
        """Whether SGLang would evict ``node``."""
        name = self.names.of(node)
        if self.evictor.resident(name):
            (self.evictor.free if yes else self.evictor.hold)(name)

    # Eviction.

    def next_victim(self, groups: Collection[int] | None = None) -> int | None:
        """SGLang's number of the node to go next, of all or of some groups. One that is still there at the next call is
        left alone until ``end_eviction``."""
        if self._asked is not None and self.evictor.resident(self._asked):
            self.evictor.hold(self._asked)
            self._declined.append(self._asked)
        victims = self.evictor.victims(1, self.now_s(), groups)
        self._asked = victims[0] if victims else None
        return None if self._asked is None else self.names.id_of(self._asked)

    def end_eviction(self) -> list[int]:
        """The walk is over; returns the nodes that were left alone, which may be asked for again."""
        declined = [self.names.id_of(name) for name in self._declined if self.evictor.resident(name)]
        self._asked, self._declined = None, []
        return declined


@dataclass(frozen=True, slots=True)
class Ruling:
    """An order, and who is behind it.

    Attributes:
        claims: The order.
        decider: Name of the rule that decides now.
        learned: The learned rule, if there is one.
        lead_tokens: By how much it leads its guard.
    """

    claims: Claims[bytes]
    decider: Callable[[], str]
    learned: Learned[bytes] | None = None
    lead_tokens: Callable[[], float | None] = lambda: None
