"""What the host tier asks of memory with formats."""

from typing import Any

from superinfer.kv import PAGE_TOKENS, Format
from superinfer.srt.host.memory import Memory, PlainMemory
from superinfer.srt.kv.host_pool import MixedKVPoolHost
from superinfer.srt.kv.keeper import KvKeeper
from superinfer.srt.kv.loads import Loads, loads_of


class MixedMemory(Memory):
    """New tokens need native pages; what is loaded, pages of the formats that it has.

    Args:
        keeper: Of the device's pages.
        loads: Knows what requests have on the host.
        host_pool: The host's pages.
    """

    def __init__(self, keeper: KvKeeper, loads: Loads, host_pool: MixedKVPoolHost) -> None:
        self._keeper, self._loads, self._pool = keeper, loads, host_pool
        self.token_bytes = host_pool.arena.shape.token_bytes(Format.NATIVE)
        self.size_bytes = host_pool.total_bytes

    def used_bytes(self) -> int:
        """Bytes of all pages."""
        return self._pool.used_bytes

    def state(self) -> dict[str, Any]:
        """Pages by format."""
        arena = self._pool.arena
        counts = {fmt: arena.pages(fmt) for fmt in Format}
        return {
            "formats": {
                fmt.label: {"pages": count, "bytes": count * arena.shape.page_bytes(fmt)}
                for fmt, count in counts.items()
            }
        }

    def free_tokens(self) -> int:
        """Native tokens."""
        return self._keeper.free_tokens()

    def room_tokens(self, reserved_tokens: int) -> int:
        """Of all formats; whether something fits is asked of each."""
        return self._keeper.all_tokens()

    def fits(self, req: Any, reserved_tokens: int) -> bool:
        """By pages of each format."""
        reserve = -(-reserved_tokens // PAGE_TOKENS)
        return self._loads.fits(req.best_match_node, native_reserve=reserve)

    def weight(self, req: Any) -> int:
        """By bytes."""
        return max(round(self._loads.native_tokens(req.best_match_node)), 1)


def host_memory(tree_cache: Any, allocator: Any, keeper: KvKeeper | None) -> Memory:
    """Of a scheduler with a host tier."""
    loads = loads_of(tree_cache)
    if keeper is None or loads is None:
        return PlainMemory(tree_cache, allocator)
    return MixedMemory(keeper, loads, tree_cache.cache_controller.host_pool)
