"""Requests as the blocks of their prompts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from superinfer.cache.use import Use
from superinfer.workload.arrivals import PREFIX_BLOCK_TOKENS, Arrival


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        use: What the cache is told.
        blocks: Identities of the blocks of its prompt.
    """

    use: Use
    blocks: tuple[int, ...]

    def tokens(self, index: int) -> int:
        """Length of a block: the last one may be shorter."""
        return min(PREFIX_BLOCK_TOKENS, self.use.prompt_tokens - index * PREFIX_BLOCK_TOKENS)


def requests(arrivals: Iterable[Arrival]) -> list[Request]:
    """The requests of a load in order of arrival; a load without prefixes gets blocks that nobody shares.

    Raises:
        ValueError: A prompt has more blocks than tokens for them.
    """
    found: list[Request] = []
    seen: set[int] = set()
    for seq, arrival in enumerate(sorted(arrivals, key=lambda arrival: arrival.at_us)):
        needed = -(-arrival.prompt_tokens // PREFIX_BLOCK_TOKENS)
        if len(arrival.prefix) > needed:
            raise ValueError(
                f"request {seq}: {len(arrival.prefix)} blocks for a prompt of {arrival.prompt_tokens} tokens"
            )
        blocks = arrival.prefix or tuple(-1 - block for block in _unshared(seq, needed))
        known = next((index for index, block in enumerate(blocks) if block not in seen), len(blocks))
        seen.update(blocks)
        new = max(arrival.prompt_tokens - known * PREFIX_BLOCK_TOKENS, 0)
        use = Use(seq, arrival.at_us / 1e6, arrival.prompt_tokens, new, arrival.output_tokens)
        found.append(Request(use, blocks))
    return found


def next_uses(load: Sequence[Request]) -> dict[tuple[int, int], int]:
    """For each block and request that uses it, the number of the request that uses it next."""
    found: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    for request in load:
        for block in request.blocks:
            if block in last:
                found[block, last[block]] = request.use.seq
            last[block] = request.use.seq
    return found


def _unshared(seq: int, blocks: int) -> range:
    return range(seq << 20, (seq << 20) + blocks)
