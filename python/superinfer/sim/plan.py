"""How many replicas a load needs to keep its promises."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from superinfer.sim.figures import class_of
from superinfer.sim.machine import Machine
from superinfer.sim.run import simulate
from superinfer.workload.arrivals import Arrival

POOLS = ("chat", "batch")
"""What two separate pools are for: batch is the class of that name, chat every other."""


@dataclass(frozen=True, slots=True)
class Size:
    """The smallest pool that keeps its promises.

    Attributes:
        replicas: How many; 0 for no requests.
        attained: Share of each class's requests that met every target, with so many.
    """

    replicas: int
    attained: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Planner:
    """Sizes pools of like machines behind a round-robin router.

    Of ``n`` replicas, number ``i`` serves the requests ``i``, ``i + n``, ``i + 2n``... in order of arrival. Replicas
    do not share anything.

    Attributes:
        machine: One replica.
        policy: Name of the policy that each of them schedules by.
        attainment: Share of every class's requests that have to meet every target; unfinished ones do not.
        at_most: Replicas to try.
    """

    machine: Machine
    policy: str
    attainment: float
    at_most: int = 64

    def mixed(self, load: Sequence[Arrival]) -> Size | None:
        """One pool for all; ``None`` if ``at_most`` replicas do not do."""
        if not load:
            return Size(0, {})
        trial = _Trial(self, load)
        replicas = smallest(trial.enough, min(_estimate(load, self.machine), self.at_most), self.at_most)
        return None if replicas is None else Size(replicas, trial.attained[replicas])

    def separate(self, load: Sequence[Arrival]) -> dict[str, Size | None]:
        """A pool for each of ``POOLS``, each with its own requests only."""
        of: dict[str, list[Arrival]] = {name: [] for name in POOLS}
        for arrival in load:
            of["batch" if class_of(arrival.slo) == "batch" else "chat"].append(arrival)
        return {name: self.mixed(requests) for name, requests in of.items()}


def smallest(enough: Callable[[int], bool], start: int, at_most: int) -> int | None:
    """The smallest number from 1 to ``at_most`` that is enough; ``None`` if none is.

    Doubles from ``start`` on, then bisects. Whatever is more than enough has to be enough, too.
    """
    low, high = 0, start
    while not enough(high):
        if high >= at_most:
            return None
        low, high = high, min(2 * high, at_most)
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


@dataclass(slots=True)
class _Trial:
    """Tries numbers of replicas, and remembers how well those that were enough did."""

    planner: Planner
    load: Sequence[Arrival]
    attained: dict[int, dict[str, float]] = field(default_factory=dict)

    def enough(self, replicas: int) -> bool:
        """Whether every class attains its share. Stops at the first replica after which it cannot any more."""
        sent = Counter(class_of(arrival.slo) for arrival in self.load)
        missed: Counter[str] = Counter()
        for replica in range(replicas):
            run = simulate(self.load[replica::replicas], self.planner.policy, self.planner.machine)
            missed.update(
                class_of(arrival.slo)
                for arrival, request in zip(run.arrivals, run.served, strict=True)
                if not request.met
            )
            if any((sent[name] - missed[name]) / sent[name] < self.planner.attainment for name in sent):
                return False
        self.attained[replicas] = {name: (sent[name] - missed[name]) / sent[name] for name in sorted(sent)}
        return True


def _estimate(load: Sequence[Arrival], machine: Machine) -> int:
    """Where the search starts: replicas that are busy with nothing but prompts, and so too few rather than too many."""
    prefill_us = sum(machine.prefill_alone_us(arrival.prompt_tokens) for arrival in load)
    return max(ceil(prefill_us / max(load[-1].at_us - load[0].at_us, 1)), 1)
