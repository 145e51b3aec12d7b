"""SLO classes for requests that came without one."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

from superinfer.slo import SLOClasses
from superinfer.workload.arrivals import Arrival


def parse_mix(text: str, classes: SLOClasses | None = None) -> dict[str, float]:
    """Shares of classes from ``interactive:0.5,batch:0.5``.

    Args:
        text: Classes and their shares, which add up to 1.
        classes: The classes there are; the built-in ones if not given.

    Raises:
        ValueError: Not of that form, a class is unknown or named twice, or the shares do not add up to 1.
    """
    known, shares = classes or SLOClasses(), dict[str, float]()
    for part in text.split(","):
        name, _, share = part.strip().partition(":")
        if name not in known:
            raise ValueError(f"the mix {text!r} names the class {name!r}, which is not one of {', '.join(known)}")
        if name in shares:
            raise ValueError(f"the mix {text!r} names the class {name!r} twice")
        shares[name] = _share(share, text)
    if not math.isclose(total := math.fsum(shares.values()), 1.0, abs_tol=1e-6):
        raise ValueError(f"the shares of the mix {text!r} add up to {total:g} instead of 1")
    return shares


def mixed(
    arrivals: Iterable[Arrival], shares: Mapping[str, float], seed: int, classes: SLOClasses | None = None
) -> list[Arrival]:
    """The same load, each request in a class drawn with these shares and promised that class's targets.

    Args:
        arrivals: The load.
        shares: Weight of each class.
        seed: Same seed, same classes.
        classes: Targets; those of the built-in classes if not given.
    """
    requests, known = list(arrivals), classes or SLOClasses()
    drawn = Random(f"mix {seed}").choices(list(shares), list(shares.values()), k=len(requests))
    return [replace(request, slo=known[name].targets) for request, name in zip(requests, drawn, strict=True)]


def _share(share: str, text: str) -> float:
    try:
        value = float(share)
    except ValueError:
        raise ValueError(f"the mix {text!r} is not of the form class:share,class:share") from None
    if not 0 < value <= 1:
        raise ValueError(f"the mix {text!r} has the share {share}, which is not above 0 and at most 1")
    return value
