"""How the KV of a node lies in memory, as far as that decides what goes first."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

STEPS_PER_OCTAVE: Final = 64
"""Prices are whole numbers: logarithms, so finely. Differences below it are left to recency."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a node lies, and how much room it takes there.

    Attributes:
        group: Nodes of a group lie in the same parts of the memory: where one part is short, only some groups help.
        weight: Bytes per token, relative to what a token takes at most.
    """

    group: int = 0
    weight: float = 1.0

    @property
    def price_steps(self) -> int:
        """By how many steps a node's price is lower than if its tokens took as much as they can."""
        return _steps(self.weight)

    def held_tokens(self, tokens: int) -> int:
        """How many of the largest tokens take as much room."""
        return round(tokens * self.weight)


PLAIN: Final = Stored()
"""Where all memory is of one kind."""


@lru_cache(maxsize=4096)
def _steps(weight: float) -> int:
    return round(STEPS_PER_OCTAVE * float(np.log2(weight)))
