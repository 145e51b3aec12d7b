"""Which format a request accepts, and which prefixes it may share."""

from typing import Any

from superinfer.kv import Format, floor_of
from superinfer.slo import SLO

_MARK = "|kv:"


def mark(req: Any, slo: SLO) -> None:
    """Note the coarsest format that ``req`` accepts, and let it share prefixes only with requests that accept the same.

    A request that accepts more could read what was kept for one that accepts less, but not the other way round; keeping
    them apart costs a second copy of a shared prompt, and what is read does not depend on who came first. The mark is
    at the end, also for native ones, so that nobody can write another one into the ``extra_key`` of a request.
    """
    req.kv_floor = floor_of(slo.cls or "", slo.kv)
    req.extra_key = f"{req.extra_key or ''}{_MARK}{req.kv_floor.label}"


def floor_of_key(extra_key: str | None) -> Format:
    """The coarsest format that requests accept which share the prefixes of a key; native if it does not say."""
    _, mark, label = (extra_key or "").rpartition(_MARK)
    return next((fmt for fmt in Format if mark and fmt.label == label), Format.NATIVE)
