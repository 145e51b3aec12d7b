"""The SLO of one request or program."""

from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

from superinfer.slo import fields as check
from superinfer.slo.errors import SLOError

KV_FORMATS = check.KV_FORMATS
WIRE_CLASS: Final = "class"
"""Wire name of ``SLO.cls``: ``class`` is a keyword in Python, and the natural name everywhere else."""


@dataclass(frozen=True, slots=True)
class SLO:
    """What a request was promised. Every target is optional; ``None`` promises nothing.

    Times are whole milliseconds, relative to the request's arrival at the server.

    Attributes:
        cls: Class name (``interactive``, ``standard``, ``batch`` or one the operator defined): targets that
            are not given come from the class. ``None`` means the server's default class.
        ttft_ms: The first token is due this long after arrival.
        tpot_ms: Pace of the stream: token ``i`` is due ``i * tpot_ms`` after the first.
        deadline_ms: The last token is due this long after arrival.
        min_tps: Throughput floor in tokens/s after the first token; a pace of ``1000 / min_tps`` ms.
        kv: Lowest KV-cache precision accepted: ``auto``, ``int4``, ``int8`` or ``native``.
        tenant: Who is asking, for fair shares and for the operator's limits.
        pin_ms: How long prompt and answer are kept in the KV memory after the answer, for a next request that begins
            with them.
        back_ms: Within that time such a request is expected; unlike ``pin_ms``, it takes no memory from others.
        ends: No such request will come: the session has ended.

    Raises:
        SLOError: A value has the wrong type or range, or two values contradict each other. The error names
            the field.
    """

    cls: str | None = None
    ttft_ms: int | None = None
    tpot_ms: int | None = None
    deadline_ms: int | None = None
    min_tps: float | None = None
    kv: str | None = None
    tenant: str | None = None
    pin_ms: int | None = None
    back_ms: int | None = None
    ends: bool | None = None

    def __post_init__(self) -> None:
        for field, validate in _VALIDATORS.items():
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, validate(wire_name(field), value))
        if self.ttft_ms and self.deadline_ms and self.deadline_ms < self.ttft_ms:
            raise SLOError(
                "deadline_ms", f"{self.deadline_ms} is before the first token is due (ttft_ms {self.ttft_ms})"
            )

    @property
    def pace_ms(self) -> float | None:
        """The tighter of ``tpot_ms`` and ``1000 / min_tps``, in ms per token; ``None`` if neither is set."""
        paces = [self.tpot_ms, 1000.0 / self.min_tps if self.min_tps else None]
        return min((pace for pace in paces if pace is not None), default=None)

    @property
    def has_target(self) -> bool:
        """Whether anything is promised that could be missed."""
        return self.ttft_ms is not None or self.pace_ms is not None or self.deadline_ms is not None

    def to_dict(self) -> dict[str, str | int | float]:
        """The flat wire form, without absent fields: JSON scalars only, as ``custom_params`` allows."""
        pairs = ((wire_name(f.name), getattr(self, f.name)) for f in fields(self))
        return {name: value for name, value in pairs if value is not None}

    def over(self, base: Self) -> Self:
        """This SLO with the gaps filled from ``base``, field by field.

        Raises:
            SLOError: The two contradict each other.
        """
        return replace(self, **self._gaps(base))

    def with_defaults(self, base: Self) -> Self:
        """Like ``over``, but a default that contradicts a target of ours gives way.

        Asking for everything within 500 ms must not fail because the class promises the first token in 1000.
        """
        gaps = self._gaps(base)
        if self.deadline_ms and (gaps.get("ttft_ms") or 0) > self.deadline_ms:
            gaps["ttft_ms"] = self.deadline_ms
        if self.ttft_ms and (gaps.get("deadline_ms") or self.ttft_ms) < self.ttft_ms:
            gaps["deadline_ms"] = None
        return replace(self, **gaps)

    def _gaps(self, base: Self) -> dict[str, Any]:
        return {f.name: getattr(base, f.name) for f in fields(self) if getattr(self, f.name) is None}


_VALIDATORS: Final = {
    "cls": check.name,
    "ttft_ms": check.milliseconds,
    "tpot_ms": check.milliseconds,
    "deadline_ms": check.milliseconds,
    "min_tps": check.tokens_per_second,
    "kv": check.kv_format,
    "tenant": check.name,
    "pin_ms": check.milliseconds,
    "back_ms": check.milliseconds,
    "ends": check.flag,
}


def wire_name(field: str) -> str:
    """Name of an ``SLO`` attribute on the wire."""
    return WIRE_CLASS if field == "cls" else field


WIRE_FIELDS: Final = {wire_name(field): field for field in _VALIDATORS}
"""Wire name -> attribute name, in declaration order."""
