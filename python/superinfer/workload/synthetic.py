"""Loads without a trace: arrivals by a random process, lengths by a distribution."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival

Draw = Callable[[Random, tuple[float, ...]], float]

DISTRIBUTIONS: Mapping[str, tuple[tuple[str, ...], Draw]] = {
    "fixed": (("TOKENS",), lambda random, given: given[0]),
    "uniform": (("LEAST", "MOST"), lambda random, given: random.uniform(*given)),
    "exponential": (("MEAN",), lambda random, given: random.expovariate(1 / given[0])),
    "lognormal": (("MEDIAN", "SIGMA"), lambda random, given: given[0] * random.lognormvariate(0, given[1])),
}
"""Names of the parameters of each distribution, and how it is drawn from."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of lengths in tokens.

    Attributes:
        name: One of ``DISTRIBUTIONS``.
        parameters: Of that distribution, in its order.
    """

    name: str
    parameters: tuple[float, ...]

    def draw(self, random: Random) -> int:
        """A length of at least one token."""
        return max(round(DISTRIBUTIONS[self.name][1](random, self.parameters)), 1)


def parse_lengths(text: str) -> Lengths:
    """A distribution from ``fixed:300``, ``uniform:100,500``, ``exponential:200`` or ``lognormal:800,1.0``.

    Raises:
        ValueError: Not of one of these forms, or a parameter is not positive.
    """
    name, _, rest = text.partition(":")
    forms = ", ".join(f"{known}:{','.join(names)}" for known, (names, _) in DISTRIBUTIONS.items())
    try:
        parameters = tuple(float(part) for part in rest.split(","))
    except ValueError:
        raise ValueError(f"lengths {text!r} are not of one of the forms {forms}") from None
    if name not in DISTRIBUTIONS or len(parameters) != len(DISTRIBUTIONS[name][0]):
        raise ValueError(f"lengths {text!r} are not of one of the forms {forms}")
    if not all(0 < parameter < math.inf for parameter in parameters):
        raise ValueError(f"lengths {text!r} have a parameter that is not positive")
    return Lengths(name, parameters)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Requests that come one after the other, with independent gaps.

    Attributes:
        rate_per_s: Mean rate.
        prompt: Lengths of prompts.
        output: Lengths of answers.
        gap_cv: Standard deviation of the gaps over their mean: 1 is a Poisson process, more comes in bursts (gaps
            are gamma-distributed, as load generators do it).

    Raises:
        ValueError: The rate or ``gap_cv`` is not positive.
    """

    rate_per_s: float
    prompt: Lengths
    output: Lengths
    gap_cv: float = 1.0

    def __post_init__(self) -> None:
        if not self.rate_per_s > 0:
            raise ValueError(f"the rate of synthetic requests must be positive, not {self.rate_per_s:g} a second")
        if not self.gap_cv > 0:
            raise ValueError(f"the burstiness of synthetic requests must be positive, not {self.gap_cv:g}")

    def arrivals(self, duration_s: float, seed: int) -> list[Arrival]:
        """The requests of the first ``duration_s`` seconds; nothing is promised to them."""
        random, at_s, arrivals = Random(f"synthetic {seed}"), 0.0, list[Arrival]()
        shape = 1 / self.gap_cv**2
        while (at_s := at_s + random.gammavariate(shape, 1 / (shape * self.rate_per_s))) < duration_s:
            arrivals.append(Arrival(round(at_s * 1e6), self.prompt.draw(random), self.output.draw(random), SLO()))
        return arrivals
