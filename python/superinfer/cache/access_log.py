"""The access log: a line per request, with hashes of its prompt's blocks and no text.

The lines are those of a Mooncake trace, with a few fields more, so that whatever reads such traces reads logs.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from superinfer.cache.use import Kind, Use

BLOCK_TOKENS = 512
"""Of traces; a line says so if its blocks are others."""


class AccessLog:
    """Writes a log that is bounded: a full file is renamed to ``NAME.1``, older ones move up, the oldest goes.

    A line is in the file when ``write`` returns, since servers are killed and not closed.
    """

    def __init__(self, path: Path, max_bytes: int = 64 << 20, files: int = 4) -> None:
        if max_bytes < 1 or files < 1:
            raise ValueError(f"an access log needs a byte and a file at least, not {max_bytes} and {files}")
        self._path, self._max_bytes, self._files = path, max_bytes, files
        self._file = path.open("a", encoding="ascii", buffering=1)
        self._bytes = path.stat().st_size

    def write(self, use: Use, blocks: Sequence[int], block_tokens: int = BLOCK_TOKENS) -> None:
        """Append a request; ``blocks`` are the hashes of its prefixes at the ends of its blocks."""
        row: dict[str, object] = {
            "timestamp": round(1000 * use.time_s),
            "input_length": use.prompt_tokens,
            "output_length": use.output_tokens,
            "hash_ids": list(blocks),
            "slo_class": use.slo_class,
            "tenant": use.tenant,
        }
        if use.kind is not Kind.UNKNOWN:
            row["kind"] = use.kind.name.lower()
        if block_tokens != BLOCK_TOKENS:
            row["block_tokens"] = block_tokens
        line = json.dumps(row, separators=(",", ":")) + "\n"
        if self._bytes and self._bytes + len(line) > self._max_bytes:
            self._rotate()
        self._file.write(line)
        self._bytes += len(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._files - 1, 0, -1):
            older = self._name(number)
            if (newer := self._name(number - 1)).exists():
                newer.replace(older)
        self._file = self._path.open("w", encoding="ascii", buffering=1)
        self._bytes = 0

    def _name(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
