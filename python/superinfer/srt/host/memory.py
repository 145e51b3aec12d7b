"""What the tier asks of the device's pool and the host's: where all KV takes the same room, or has formats."""

from typing import Any, Protocol


class Memory(Protocol):
    """Room for loads, and what they cost.

    Attributes:
        token_bytes: Of a native token.
        size_bytes: Of the host.
    """

    token_bytes: float
    size_bytes: int

    def used_bytes(self) -> int:
        """Bytes of the host with KV in them."""

    def state(self) -> dict[str, Any]:
        """More for ``/superinfer/state``."""

    def free_tokens(self) -> int:
        """KV that is free or can be evicted, of the kind that new tokens need."""

    def room_tokens(self, reserved_tokens: int) -> int:
        """The most tokens that may find room, beside so much for new ones."""

    def fits(self, req: Any, reserved_tokens: int) -> bool:
        """Whether what ``req`` has on the host finds room, beside so much for new tokens."""

    def weight(self, req: Any) -> int:
        """Native tokens whose load takes as long as that of what ``req`` has on the host."""


class PlainMemory(Memory):
    """All tokens take the same room.

    Args:
        tree_cache: SGLang's, with a host tier.
        allocator: Of the device's pool.
    """

    def __init__(self, tree_cache: Any, allocator: Any) -> None:
        self._tree, self._allocator = tree_cache, allocator
        self._pool = tree_cache.cache_controller.mem_pool_host.anchor_entry.host_pool
        self.token_bytes = float(self._pool.size_per_token)
        self.size_bytes = int(self._pool.size * self._pool.size_per_token)

    def used_bytes(self) -> int:
        """By tokens."""
        return int((self._pool.size - self._pool.available_size()) * self._pool.size_per_token)

    def state(self) -> dict[str, Any]:
        """Nothing more."""
        return {}

    def free_tokens(self) -> int:
        """All that is free or can be evicted."""
        return int(self._allocator.available_size() + self._tree.evictable_size())

    def room_tokens(self, reserved_tokens: int) -> int:
        """What is left."""
        return self.free_tokens() - reserved_tokens

    def fits(self, req: Any, reserved_tokens: int) -> bool:
        """By tokens."""
        return int(req.host_hit_length) <= self.room_tokens(reserved_tokens)

    def weight(self, req: Any) -> int:
        """Its tokens."""
        return int(req.host_hit_length)
