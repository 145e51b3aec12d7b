"""How much room nodes of SGLang's tree take, and where."""

from collections.abc import Sequence
from typing import Any, Protocol

from superinfer.cache.stored import PLAIN, Stored


class Measure(Protocol):
    """Knows the memory.

    A memory has levels: whoever accepts the pages of one accepts those of all before it.
    """

    def stored(self, node: Any) -> Stored:
        """How SGLang's ``node``, whose KV is on the device, lies there."""

    def tokens(self, node: Any) -> Sequence[int]:
        """Tokens of ``node`` that lie in each level or one before."""

    def pool_tokens(self) -> Sequence[int]:
        """Tokens that each level and those before hold."""


class OneKind(Measure):
    """All tokens take the same room, anywhere.

    Args:
        pool_tokens: Of the memory.
    """

    def __init__(self, pool_tokens: int) -> None:
        self._pool_tokens = pool_tokens

    def stored(self, node: Any) -> Stored:
        """Like all others."""
        return PLAIN

    def tokens(self, node: Any) -> Sequence[int]:
        """All of them."""
        return (len(node.key),)

    def pool_tokens(self) -> Sequence[int]:
        """All of it."""
        return (self._pool_tokens,)
