"""From chances to a price: what keeping a node is worth, per byte and second."""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.compiled import compiled
from superinfer.cache.history import Floats
from superinfer.cache.stored import STEPS_PER_OCTAVE

FLOOR = 1e-12
"""Tokens per second and byte below which everything is worth the same."""

MOST_PRESSED = 4.0
"""A hit counts for so many times itself at most, beyond itself, for the slack that it saves."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What computing a token again takes, and what holding it does.

    Attributes:
        token_ms: Time per token.
        pair_ms: Time per pair of a token with one before it.
        bytes_per_token: Of its keys and values.
    """

    token_ms: float = 1.0
    pair_ms: float = 0.0
    bytes_per_token: float = 1.0

    def recompute_ms(self, start: int, tokens: int) -> float:
        """Time to compute a node's tokens again, the first of which follows ``start`` others."""
        return tokens * (self.token_ms + self.pair_ms * (start + tokens / 2))

    def per_byte(self, start: int, tokens: int) -> float:
        """Milliseconds that one hit saves for each byte held."""
        return self.recompute_ms(start, tokens) / (tokens * self.bytes_per_token)

    def pressed(self, end: int, slack_ms: float) -> float:
        """The part of a request's slack that it takes to compute its prefix again, up to ``end``; bounded."""
        return min(self.recompute_ms(0, end) / slack_ms, MOST_PRESSED) if slack_ms < inf else 0.0

    def worth(self, start: int, tokens: int, slack_ms: float = inf) -> float:
        """What one hit saves for each byte held, as a multiple of computing a byte's tokens without a prefix.

        Computing counts as much again as the part of somebody's slack that the whole prefix would take: where that is
        1 or more, a promise is as good as broken without the prefix.
        """
        alone = self.token_ms / self.bytes_per_token
        saved = self.per_byte(start, tokens) / alone if alone > 0 else 1.0
        return saved / self.bytes_per_token * (1.0 + self.pressed(start + tokens, slack_ms))


@compiled
def prices(logits: Floats, edges_s: Floats, saved: float) -> NDArray[np.int32]:
    """``rates`` times what a use saves per byte, as whole numbers.

    So they are equal on all ranks even if the last digits of a float are not.
    """
    worth = rates(logits, edges_s) * saved
    out = np.empty(len(worth), np.int32)
    for index in range(len(worth)):
        out[index] = round(STEPS_PER_OCTAVE * np.log2(max(worth[index], FLOOR)))
    return out


@compiled
def chances(logits: Floats, edges_s: Floats, within_s: float) -> NDArray[np.float64]:
    """Of a use within so many seconds, if there was none before: at each horizon's start, and after the last.

    A horizon that is only begun counts by the part that lies within; after the last, half of what held in it.
    """
    horizons = len(edges_s)
    out = np.zeros(horizons + 1, np.float64)
    hazards = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    for start in range(horizons):
        begin_s = edges_s[start - 1] if start else 0.0
        survived, from_s = 1.0, begin_s
        for index in range(start, horizons):
            part = (begin_s + within_s - from_s) / (edges_s[index] - from_s)
            if part <= 0.0:
                break
            survived *= (1.0 - hazards[index]) ** min(part, 1.0)
            from_s = edges_s[index]
        out[start] = 1.0 - survived
    out[horizons] = out[horizons - 1] / 2
    return out


@compiled
def rates(logits: Floats, edges_s: Floats) -> NDArray[np.float64]:
    """Uses that keeping a node earns per second of memory, at its best: at each horizon's start, and after the last.

    A node kept until horizon j, from the start of horizon i, is used with chance 1 - S and takes up memory until it is
    used or given up. The best j is chosen. Chance alone would rank a node that returns in an hour, certainly, before
    one that returns in a minute, probably; in that hour its place serves sixty of the other.
    """
    horizons = len(edges_s)
    best = np.zeros(horizons + 1, np.float64)
    hazards = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    widths = edges_s.astype(np.float64)
    widths[1:] -= edges_s[:-1]
    for start in range(horizons):
        survived, held_s = 1.0, 0.0
        for index in range(start, horizons):
            held_s += survived * widths[index] * (1.0 - hazards[index] / 2)
            survived *= 1.0 - hazards[index]
            best[start] = max(best[start], (1.0 - survived) / held_s)
    best[horizons] = best[horizons - 1] / 2
    return best
