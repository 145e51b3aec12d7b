"""Eviction rules of other systems. SGLang's are those of its ``--radix-eviction-policy``."""

from superinfer.cache.ranking import Key
from superinfer.cache.rule import KeyRule


class FIFO(KeyRule[int]):
    """First in, first out."""

    def place(self, slot: int) -> Key:
        """By insertion."""
        return (self.nodes.created[slot].seq, -self.nodes.depth[slot])


class LFU(KeyRule[int]):
    """Least frequently used since insertion, then least recently."""

    def place(self, slot: int) -> Key:
        """By number of uses."""
        return (self.nodes.uses[slot], self.nodes.last[slot].seq, -self.nodes.depth[slot])


class SLRU(KeyRule[int]):
    """Segmented: whatever was used a second time outlasts whatever was not."""

    def place(self, slot: int) -> Key:
        """By segment, then last use."""
        return (self.nodes.uses[slot] > 1, self.nodes.last[slot].seq, -self.nodes.depth[slot])


class Priority(KeyRule[int]):
    """Of the least urgent class first, then least recently used. A trace without classes makes it LRU."""

    def place(self, slot: int) -> Key:
        """By class, then last use."""
        last = self.nodes.last[slot]
        return (-last.slo_class, last.seq, -self.nodes.depth[slot])


class HitsPerToken(KeyRule[int]):
    """Fewest hits per token held, then least recently used."""

    def place(self, slot: int) -> Key:
        """By hits over tokens."""
        nodes = self.nodes
        return ((nodes.uses[slot] - 1) / nodes.tokens[slot], nodes.last[slot].seq, -nodes.depth[slot])


class TailLRU(KeyRule[int]):
    """Tail-optimized LRU (Zhang et al., arXiv 2510.15152).

    What a conversation's next turn could compute within its budget of uncached tokens goes first; then LRU.
    """

    def __init__(self, budget_tokens: int = 2048, next_prompt_tokens: int = 512) -> None:
        self._spare = budget_tokens - next_prompt_tokens

    def place(self, slot: int) -> Key:
        """By whether it is within the spare tail, then last use."""
        nodes, last = self.nodes, self.nodes.last[slot]
        start = nodes.depth[slot] - nodes.tokens[slot]
        return (start < last.prompt_tokens - self._spare, last.seq, -nodes.depth[slot])


class Told(KeyRule[int]):
    """What will not be used again goes first, then LRU. Knows which, not when: to see what each is worth."""

    def __init__(self, next_use: dict[tuple[int, int], int]) -> None:
        self._next_use = next_use

    def place(self, slot: int) -> Key:
        """By whether there is a next use, then last use."""
        last = self.nodes.last[slot]
        return ((self.nodes.name(slot), last.seq) in self._next_use, last.seq, -self.nodes.depth[slot])


class Belady(KeyRule[int]):
    """Farthest next use first: needs the future.

    The best that a rule could do if blocks were of one size and any of them could go. Leaves only can, and the last
    block of a prompt is shorter: so this is a measure, and not quite a bound.
    """

    def __init__(self, next_use: dict[tuple[int, int], int]) -> None:
        self._next_use = next_use

    def place(self, slot: int) -> Key:
        """By the number of the request that will use it next."""
        nodes = self.nodes
        seq = nodes.last[slot].seq
        upcoming = self._next_use.get((nodes.name(slot), seq))
        return (float("-inf") if upcoming is None else -upcoming, seq, -nodes.depth[slot])
