"""Validators of single SLO fields: each returns the canonical value or raises ``SLOError``."""

import math
import re
from typing import Final

from superinfer.slo.errors import SLOError

MAX_MS: Final = 7 * 24 * 3600 * 1000
"""A week. Anything longer is a typo, and keeps microsecond arithmetic far from overflow."""

MAX_TPS: Final = 1e6
MIN_TPS: Final = 1e-6
"""The pace of a stream is its reciprocal: a denormal rate would make it infinite."""

KV_FORMATS: Final = ("auto", "int4", "int8", "native")
"""Lowest KV precision that a request accepts, coarsest first; ``auto`` leaves it to the request's class."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def milliseconds(field: str, value: object) -> int:
    """Whole milliseconds in [1, one week]. Integral floats (``300.0``) pass: JavaScript has no ints."""
    number = _number(field, value)
    if number != int(number):
        raise SLOError(field, f"must be whole milliseconds, not {value}")
    if not 1 <= number <= MAX_MS:
        raise SLOError(field, f"must be between 1 and {MAX_MS} ms, not {_brief(value)}")
    return int(number)


def tokens_per_second(field: str, value: object) -> float:
    """A rate in tokens per second, in [``MIN_TPS``, ``MAX_TPS``]."""
    number = _number(field, value)
    if not MIN_TPS <= number <= MAX_TPS:
        raise SLOError(field, f"must be between {MIN_TPS:g} and {MAX_TPS:g} tokens/s, not {_brief(value)}")
    return float(number)


def flag(field: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise SLOError(field, f"must be true or false, not {_kind(value)}")
    return value


def name(field: str, value: object) -> str:
    """A short identifier: letters, digits, dot, dash and underscore, at most 64 characters."""
    if not isinstance(value, str):
        raise SLOError(field, f"must be a string, not {_kind(value)}")
    if not _NAME.fullmatch(value):
        raise SLOError(field, f"must be 1 to 64 letters, digits, '.', '_' or '-', not {_brief(value)}")
    return value


def kv_format(field: str, value: object) -> str:
    """One of ``KV_FORMATS``."""
    if not isinstance(value, str) or value not in KV_FORMATS:
        raise SLOError(field, f"must be one of {', '.join(KV_FORMATS)}, not {_brief(value)}")
    return value


def _number(field: str, value: object) -> int | float:
    # bool is an int in Python; {"ttft_ms": true} is a mistake, not one millisecond.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SLOError(field, f"must be a number, not {_kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SLOError(field, f"must be finite, not {value}")
    return value


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), type(value).__name__)


def _brief(value: object) -> str:
    # int -> str is quadratic and limited by the interpreter: a hostile number must not reach repr().
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return f"a {value.bit_length()}-bit integer"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
