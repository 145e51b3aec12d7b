"""Amounts of memory as people write them."""

import re
from typing import Final

UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def parse_bytes(size: int | str) -> int:
    """Bytes in ``size``: a whole number, or text such as ``"2g"`` or ``"1.5 GiB"``; units are powers of 1024.

    Raises:
        ValueError: It is no such amount.
    """
    match = _SIZE.fullmatch(str(size).strip())
    if match is None:
        raise ValueError(f'must be a number of bytes, or text such as "512m" or "2g", not {size!r}')
    amount = float(match[1]) if "." in match[1] else int(match[1])
    return int(amount * UNITS[match[2].lower()])
