"""SGLang's memory budget of one admission pass, where new tokens are native and old ones may lie elsewhere."""

from typing import Any

from sglang.srt.mem_cache.prefill_budget import PrefillBudget

from superinfer.kv import Format


class MixedPrefillBudget(PrefillBudget):
    """Counts native tokens. Of a prompt that will be sealed, only what this step computes must be native at once."""

    def __init__(self, allocator: Any, tree_cache: Any, *, num_mixed_decode_tokens: int = 0) -> None:
        super().__init__(allocator, tree_cache, num_mixed_decode_tokens=num_mixed_decode_tokens)
        self.total_offset += allocator.next_decode_tokens
        self.current_offset += allocator.next_decode_tokens

    def check_prefill(
        self, *, total_tokens: int, extend_input_len: int, input_tokens: int, chunk_limit: int | None, **kwargs: Any
    ) -> tuple[bool, int | None]:
        """Whether a prompt may come in, and the most tokens of it."""
        asker, cached = self.allocator.asker, input_tokens - extend_input_len
        if cached > asker.cached_tokens:  # it comes in with what it has on the host
            total_tokens -= asker.sealed_loads
        if asker.floor is not Format.NATIVE and chunk_limit is not None:
            # Its own cached prefix is idle, too, and no room for it.
            room = max(0, self.allocator.sealed_room(asker.floor) - cached)
            total_tokens -= min(max(0, extend_input_len - chunk_limit), room)
        answer: tuple[bool, int | None] = super().check_prefill(
            total_tokens=total_tokens,
            extend_input_len=extend_input_len,
            input_tokens=input_tokens,
            chunk_limit=chunk_limit,
            **kwargs,
        )
        if not answer[0]:
            self.allocator.note_short(asker.floor, total_tokens - int(self.remaining_total) + 1)
        return answer

    def available_chunk_tokens(self, chunk_limit: int) -> int | None:
        """Tokens by which the prompt under way goes on; ``None`` if it has to wait for native pages."""
        pages = (int(self.remaining_current) - self.page_size) // self.page_size
        if pages * self.page_size < chunk_limit:
            self.allocator.note_short(Format.NATIVE, chunk_limit - pages * self.page_size)
        return min(chunk_limit, pages * self.page_size) if pages > 0 else None

    def _available_and_evictable(self) -> int:
        return int(self.allocator.native_tokens() + self.allocator.evictable_native_tokens(self.tree_cache))
