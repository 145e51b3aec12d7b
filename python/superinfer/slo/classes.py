"""SLO classes: names for common sets of targets, in order of importance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from superinfer.slo.errors import SLOError
from superinfer.slo.model import SLO


@dataclass(frozen=True, slots=True)
class SLOClass:
    """A named default.

    Attributes:
        name: What clients write in ``slo.class``.
        targets: Filled in where a request gives no target of its own.
        rank: Importance, 0 first. Orders requests that owe nothing at the moment, and decides what a clamp
            falls back to.
    """

    name: str
    targets: SLO
    rank: int


PRESETS: Final = (
    # Reading speed is about ten tokens a second; a second is where a reader's attention starts to wander.
    SLOClass("interactive", SLO(cls="interactive", ttft_ms=1000, tpot_ms=100, kv="native"), rank=0),
    SLOClass("standard", SLO(cls="standard", kv="native"), rank=1),
    SLOClass("batch", SLO(cls="batch", kv="int4"), rank=2),
)


class SLOClasses(Mapping[str, SLOClass]):
    """The classes one server knows, and the one a request without a class gets.

    Raises:
        SLOError: ``default`` is not among ``classes``.
    """

    def __init__(self, classes: tuple[SLOClass, ...] = PRESETS, default: str = "standard") -> None:
        self._by_name = {item.name: item for item in classes}
        if default not in self._by_name:
            raise SLOError("default_slo_class", f"{default!r} is not one of {', '.join(self._by_name)}")
        self.default = default

    def __getitem__(self, name: str) -> SLOClass:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def resolve(self, slo: SLO, path: str = "slo") -> SLO:
        """``slo`` with its class named and its missing targets filled in.

        Raises:
            SLOError: The class is not one of this server's.
        """
        name = slo.cls or self.default
        if name not in self._by_name:
            known = ", ".join(self._by_name)
            raise SLOError(f"{path}.class", f"{name!r} is not a class of this server (known: {known})")
        return slo.with_defaults(self._by_name[name].targets)

    def rank(self, name: str | None) -> int:
        """Importance of a class, 0 first; unknown names rank last."""
        item = self._by_name.get(name or self.default)
        return item.rank if item else len(self._by_name)

    def redefined(self, changes: Mapping[str, SLO], default: str | None = None) -> Self:
        """A copy in which ``changes`` replace or extend the classes.

        New classes rank after the existing ones, in the order given.
        """
        merged = dict(self._by_name)
        for name, targets in changes.items():
            known = merged.get(name)
            rank = known.rank if known else max((item.rank for item in merged.values()), default=-1) + 1
            merged[name] = SLOClass(name, replace(targets, cls=name), rank)
        return type(self)(tuple(merged.values()), self.default if default is None else default)
