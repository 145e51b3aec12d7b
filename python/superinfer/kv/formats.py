"""The formats in which keys and values are kept, and what each class of requests accepts."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

PAGE_TOKENS: Final = 32
"""Tokens of a page: those over which a key channel shares its scale and zero."""

VALUE_GROUP: Final = 32
"""Channels of a value vector that share a scale and a zero."""


class Format(IntEnum):
    """How numbers are stored; a larger number is a coarser format, and a later region."""

    NATIVE = 0
    INT8 = 1
    INT4 = 2

    @property
    def label(self) -> str:
        """The name that users write."""
        return self.name.lower()

    @property
    def bits(self) -> int:
        """Bits of a sealed number.

        Raises:
            ValueError: Native numbers are as wide as the cache's dtype says.
        """
        if self is Format.NATIVE:
            raise ValueError("native numbers have the width of the cache's dtype")
        return 8 if self is Format.INT8 else 4

    @property
    def coarser(self) -> "tuple[Format, ...]":
        """The formats that a page of this one can be re-quantised to, finest first."""
        return tuple(other for other in Format if other > self)


SEALED: Final = (Format.INT8, Format.INT4)

CLASS_FLOORS: Final[Mapping[str, Format]] = MappingProxyType(
    {"interactive": Format.NATIVE, "standard": Format.NATIVE, "batch": Format.INT4}
)
"""The coarsest format that requests of a preset class accept, unless they say otherwise."""


def parse_format(field: str, text: str) -> Format:
    """A format by its name.

    Raises:
        ValueError: There is no such format; names the field.
    """
    try:
        return Format[text.upper()]
    except KeyError:
        raise ValueError(f"{field}: {text!r} is not one of {', '.join(f.label for f in Format)}") from None


FIRST_PAGE: Final = Format.INT8
"""The coarsest format of a request's first page. Attention sinks live there: tokens that everything later attends to,
and whose keys stand out. Half of what 4 bits cost is the error of this one page."""


def page_format(floor: Format, page: int) -> Format:
    """The coarsest format for a full page of a request, by its place in the request, counted from 0."""
    return min(floor, FIRST_PAGE) if page == 0 else floor


def accepts(floor: Format, stored: Format) -> bool:
    """Whether a request with this floor may read what is stored in this format."""
    return stored <= floor


def floor_of(slo_class: str, kv: str | None = None) -> Format:
    """The coarsest format that a request accepts.

    Args:
        slo_class: Name of its class; one that is not a preset accepts native only.
        kv: The request's own ``slo.kv``, which wins over the class; ``None`` and ``auto`` leave it to the class.

    Raises:
        ValueError: ``kv`` is no format.
    """
    if kv in (None, "auto"):
        return CLASS_FLOORS.get(slo_class, Format.NATIVE)
    return parse_format("slo.kv", str(kv))
