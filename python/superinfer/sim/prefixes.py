"""Prompt blocks in the KV pool that requests share by their identity."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class PrefixBlocks:
    """Which blocks are there, and who holds them; the least recently held that nobody holds goes first.

    An identity stands for a block and all before it, so that whoever holds a block holds those before it, too. A
    request gives its last block back first: no block outlives one that it needs.
    """

    _holders: dict[int, int] = field(default_factory=dict)
    _idle: dict[int, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._holders)

    def match(self, prefix: Sequence[int]) -> int:
        """Number of leading blocks that are there."""
        for index, block in enumerate(prefix):
            if block not in self._holders:
                return index
        return len(prefix)

    def hold(self, blocks: Sequence[int]) -> None:
        """One more request holds these blocks, which are there from now on."""
        for block in blocks:
            self._holders[block] = self._holders.get(block, 0) + 1
            self._idle.pop(block, None)

    def release(self, blocks: Sequence[int]) -> None:
        """A request no longer holds its leading blocks."""
        for block in reversed(blocks):
            self._holders[block] -= 1
            if not self._holders[block]:
                self._idle[block] = None

    def evict(self) -> bool:
        """Drop the least recently held block that nobody holds; whether there was one."""
        block = next(iter(self._idle), None)
        if block is None:
            return False
        del self._idle[block], self._holders[block]
        return True
