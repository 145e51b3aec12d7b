"""Policies over load factors and seeds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from superinfer.sim.kv_account import KvAccount
from superinfer.sim.machine import Machine
from superinfer.sim.run import Run, simulate
from superinfer.workload.arrivals import Arrival
from superinfer.workload.attainment import normalised


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep.

    Attributes:
        policy: Name of the policy.
        load: Factor of the rates.
        seed: Of everything random.
        figures: Those of the run.
        promised: Requests that were promised anything.
        ttft_ms: Times to first token of those of them that were finished, ascending.
        over_target: The worst of latency over target of the same, ascending.
    """

    policy: str
    load: float
    seed: int
    figures: dict[str, Any]
    promised: int
    ttft_ms: Sequence[float]
    over_target: Sequence[float]

    @classmethod
    def of(cls, run: Run, load: float, seed: int) -> "Point":
        """The point that ``run`` is."""
        outcomes = [request.outcome for request in run.served if request.outcome and request.outcome.slo.has_target]
        return cls(
            policy=run.policy,
            load=load,
            seed=seed,
            figures=run.figures(),
            promised=sum(arrival.slo.has_target for arrival in run.arrivals),
            ttft_ms=sorted(outcome.timeline.ttft_ms or 0.0 for outcome in outcomes),
            over_target=sorted(normalised(outcome) for outcome in outcomes),
        )


def sweep(
    policies: Iterable[str],
    loads: Iterable[float],
    seeds: Iterable[int],
    load_of: Callable[[float, int], list[Arrival]],
    machine: Machine,
    kv: Callable[[], KvAccount | None] = lambda: None,
) -> list[Point]:
    """Every policy on every load; each load is made once and served by all policies.

    Args:
        policies: Names.
        loads: Factors of the rates.
        seeds: One load each, of every factor.
        load_of: The requests of a factor and a seed.
        machine: What serves.
        kv: A count of bytes of KV for each run, or none.

    Raises:
        ValueError: An unknown policy, or what ``load_of`` raises.
    """
    names, numbers = list(policies), list(seeds)
    points = []
    for factor in loads:
        for seed in numbers:
            requests = load_of(factor, seed)
            points += [Point.of(simulate(requests, name, machine, kv=kv()), factor, seed) for name in names]
    return points
