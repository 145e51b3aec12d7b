"""Where an SLO travels besides the request's body: the headers and fields that routers already use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from superinfer.slo.errors import SLOError
from superinfer.slo.model import SLO, WIRE_FIELDS
from superinfer.slo.parse import parse_slo

TARGET_HEADERS: Final = {
    # The llm-d router's names since May 2026, each followed by its older alias. The new name wins.
    "ttft_ms": ("x-llm-d-slo-ttft-ms", "x-slo-ttft-ms"),
    "tpot_ms": ("x-llm-d-slo-tpot-ms", "x-slo-tpot-ms"),
    "pin_ms": ("x-superinfer-pin-ms",),
    "back_ms": ("x-superinfer-back-ms",),
}
PRIORITY_HEADER: Final = "x-smg-priority"
PRIORITY_CLASSES: Final = {
    "system": "interactive",
    "interactive": "interactive",
    "default": "standard",
    "bulk": "batch",
}
TIER_CLASSES: Final = {"priority": "interactive", "default": "standard", "flex": "batch"}
"""``service_tier`` of the OpenAI API. ``auto`` and ``scale`` leave the choice to the server."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The SLO parts of one HTTP request, by carrier.

    Attributes:
        header: From headers; beats everything.
        body: From a top-level ``slo`` object in the body.
        tier: From ``service_tier``: a class, used where nothing else names one.
    """

    header: SLO = field(default_factory=SLO)
    body: SLO = field(default_factory=SLO)
    tier: SLO = field(default_factory=SLO)

    def combine(self, params: SLO, path: str = "custom_params.slo") -> SLO:
        """All carriers as one SLO: header over body over tier, field by field.

        Args:
            params: What ``custom_params.slo`` says; on a par with the top-level ``slo``.
            path: Where ``params`` stood, for the error message.

        Raises:
            SLOError: The two places in the body give different values for one field, or two targets from
                different carriers contradict each other.
        """
        for wire, attribute in WIRE_FIELDS.items():
            ours, theirs = getattr(self.body, attribute), getattr(params, attribute)
            if ours is not None and theirs is not None and ours != theirs:
                raise SLOError(f"slo.{wire}", f"is {ours!r}, but {path}.{wire} is {theirs!r}: give one")
        try:
            return self.header.over(self.body.over(params).over(self.tier))
        except SLOError as error:
            raise error.at("slo") from None


def read_headers(headers: Mapping[str, str]) -> SLO:
    """The SLO in a request's headers.

    Args:
        headers: Names in lower case.

    Raises:
        SLOError: A value is not a whole number of milliseconds; ``field`` is the header's name.
    """
    slo = SLO()
    for target, names in TARGET_HEADERS.items():
        name = next((name for name in names if name in headers), None)
        if name is not None:
            slo = _header_target(target, name, headers[name]).over(slo)
    # An unknown priority means the default one: that is how the gateway that invented the header reads it.
    cls = PRIORITY_CLASSES.get(headers.get(PRIORITY_HEADER, "").strip().lower())
    return SLO(cls=cls).over(slo) if cls else slo


def read_service_tier(value: object) -> SLO:
    """The class that a ``service_tier`` asks for.

    Raises:
        SLOError: Not a string.
    """
    if value is None:
        return SLO()
    if not isinstance(value, str):
        raise SLOError("service_tier", "must be a string")
    return SLO(cls=TIER_CLASSES.get(value))


def _header_target(target: str, name: str, text: str) -> SLO:
    # int() would take "1_000" and " 1 "; the routers that send these headers write plain digits.
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise SLOError(name, f"must be a whole number of milliseconds, not {text[:40]!r}")
    try:
        return parse_slo({target: int(text)})
    except SLOError as error:
        raise SLOError(name, error.reason) from None
