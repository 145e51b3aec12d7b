"""Writes the access log that ``superinfer train reuse`` learns from."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from superinfer.cache.access_log import AccessLog
from superinfer.cache.use import Use
from superinfer.srt.cache.names import block_names
from superinfer.srt.clock import read_us

HASH_BITS = 52
"""Of a block's name in the log: whole numbers that every reader of JSON keeps."""


class AccessWriter:
    """A line per request that has ended. Times are of the wall clock, so that logs of several runs can be joined."""

    def __init__(self, path: Path, max_bytes: int, block_tokens: int) -> None:
        self._log = AccessLog(path, max_bytes)
        self._block_tokens = block_tokens
        self._epoch_s = time.time() - read_us() / 1e6

    def write(self, req: Any, use: Use) -> None:
        """SGLang's ``req`` has ended."""
        names = block_names(req.origin_input_ids, self._block_tokens, req.extra_key, req.cache_salt)
        blocks = [int.from_bytes(name[:8]) >> (64 - HASH_BITS) for name in names]
        wall = replace(use, time_s=self._epoch_s + use.time_s, output_tokens=len(req.output_ids))
        self._log.write(wall, blocks, self._block_tokens)

    def close(self) -> None:
        """Close the file."""
        self._log.close()
