"""Requests as the blocks of their prompts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from superinfer.cache.errors import AccessLogError
from superinfer.cache.use import TENANT_BUCKETS, Kind, Use
from superinfer.workload.arrivals import PREFIX_BLOCK_TOKENS, read_azure


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        use: What the cache is told.
        blocks: Identities of the blocks of its prompt; equal ones mean equal prompts up to there.
    """

    use: Use
    blocks: tuple[int, ...]

    def tokens(self, index: int) -> int:
        """Length of a block: the last one may be shorter."""
        return min(PREFIX_BLOCK_TOKENS, self.use.prompt_tokens - index * PREFIX_BLOCK_TOKENS)


def read_requests(*paths: Path) -> list[Request]:
    """The requests of traces and access logs together, in order of arrival.

    JSON lines are Mooncake's; ``slo_class`` (rank), ``tenant``, ``kind`` and ``block_tokens`` may be added. CSV is
    Azure's. Prompts that name no blocks share nothing. Where blocks are not of 512 tokens, all lengths are counted in
    512ths of a block.

    Raises:
        AccessLogError: A line is not of that form, a prompt's blocks do not fit its length, or a block follows another
            one than before; names the line.
        OSError: A file cannot be read.
    """
    found: list[Request] = []
    for path in paths:
        found += _azure(path) if path.suffix == ".csv" else _lines(path)
    return numbered(found)


def numbered(requests: Iterable[Request]) -> list[Request]:
    """The same in order of arrival, each with its number and the tokens that none before it had."""
    seen: set[int] = set()
    result = []
    for seq, request in enumerate(sorted(requests, key=lambda request: request.use.time_s)):
        use = request.use
        blocks = request.blocks or tuple(-1 - (seq << 20) - index for index in range(-(-use.prompt_tokens // 512)))
        known = next((index for index, block in enumerate(blocks) if block not in seen), len(blocks))
        seen.update(blocks)
        new = max(use.prompt_tokens - known * PREFIX_BLOCK_TOKENS, 0)
        result.append(Request(replace(use, seq=seq, new_tokens=new), blocks))
    return result


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


def _lines(path: Path) -> list[Request]:
    parents: dict[int, int] = {}
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            request = _request(json.loads(line))
            for above, block in zip((-1, *request.blocks), request.blocks, strict=False):
                if parents.setdefault(block, above) != above:
                    raise ValueError(f"block {block} followed block {parents[block]} before, now {above}")
        except (KeyError, TypeError, ValueError) as error:
            raise AccessLogError(f"{path}, line {number}: not a request ({error!r})") from error
        found.append(request)
    return found


def _request(row: dict[str, object]) -> Request:
    time_ms, prompt, output = (int(str(row[name])) for name in ("timestamp", "input_length", "output_length"))
    blocks = tuple(int(block) for block in row.get("hash_ids", ()))  # type: ignore[attr-defined]
    block = int(str(row.get("block_tokens", PREFIX_BLOCK_TOKENS)))
    if blocks and len(blocks) != -(-prompt // block):
        raise ValueError(f"{len(blocks)} blocks for a prompt of {prompt} tokens")
    # A small server's load is taken for a large one's, as the server takes it: see ``History``.
    prompt, output = -(-prompt * PREFIX_BLOCK_TOKENS // block), output * PREFIX_BLOCK_TOKENS // block
    slo_class, tenant = int(str(row.get("slo_class", 0))), int(str(row.get("tenant", 0)))
    kind = Kind[str(row.get("kind", Kind.UNKNOWN.name)).upper()]
    use = Use(0, time_ms / 1000, max(prompt, 1), 0, output, slo_class, tenant % TENANT_BUCKETS, kind=kind)
    return Request(use, blocks)


def _azure(path: Path) -> list[Request]:
    arrivals = read_azure(path)
    return [Request(Use(0, one.at_us / 1e6, one.prompt_tokens, 0, one.output_tokens), ()) for one in arrivals]
