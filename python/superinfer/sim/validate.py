"""How well a simulated run agrees with the run of a real server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from superinfer.sched.rotation import RotationSettings
from superinfer.sched.step_time import StepLoad
from superinfer.sim.figures import class_of
from superinfer.sim.machine import Machine
from superinfer.sim.run import simulate
from superinfer.slo import parse_slo
from superinfer.workload.arrivals import Arrival
from superinfer.workload.attainment import Served, percentile
from superinfer.workload.steps import MeasuredRequest, MeasuredRun

PERCENTS = (50, 99)
ALL = "all"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure, measured and simulated.

    Attributes:
        cls: Class of the requests, or ``all``.
        figure: ``ttft_ms`` or ``tpot_ms``.
        percent: Which percentile of it.
        requests: How many had that figure.
        measured: Of the server.
        simulated: Of the simulator.
    """

    cls: str
    figure: str
    percent: int
    requests: int
    measured: float
    simulated: float

    @property
    def ratio(self) -> float:
        """Simulated over measured; infinite where nothing was measured."""
        return self.simulated / self.measured if self.measured else float("inf")


def compare(
    run: MeasuredRun, policy: str, machine: Machine, known: Sequence[tuple[StepLoad, int]] = ()
) -> list[Comparison]:
    """Serve the requests of ``run`` again, on ``machine``, and set the latencies side by side.

    What a request found in the server's cache it finds here, too; what it leaves there is of no use to others.

    Args:
        run: What the server measured.
        policy: Name of the policy that it ran.
        machine: What it ran on.
        known: Steps that its policy had learnt from, and what each took in us.

    Raises:
        ValueError: The run has no requests, one has an SLO that is none, its settings cannot be
            used, or the policy is unknown.
    """
    if not run.requests:
        raise ValueError("the measured run has no requests to compare with")
    requests = sorted(run.requests, key=lambda request: request.at_us)
    load = [_arrival(request) for request in requests]
    settings = _settings(run.rotation)
    served = simulate(load, policy, machine, settings, run.classes, known=known, one_in_parts=True).served
    simulated = _by_class(load, map(_of_simulated, served))
    measured = _by_class(load, map(_of_measured, requests))
    return [
        Comparison(cls, figure, percent, len(values), percentile(values, percent), percentile(others, percent))
        for cls, figures in measured.items()
        for figure, values in figures.items()
        for others in (simulated[cls][figure],)
        for percent in PERCENTS
    ]


def _arrival(request: MeasuredRequest) -> Arrival:
    slo, cached_tokens = parse_slo(request.slo), request.cached_tokens
    return Arrival(request.at_us, request.prompt_tokens, request.output_tokens, slo, cached_tokens=cached_tokens)


def _settings(told: Mapping[str, Any] | None) -> RotationSettings | None:
    try:
        return None if told is None else msgspec.convert(told, RotationSettings)
    except msgspec.ValidationError as error:
        raise ValueError(f"rotation: {error}") from None


def _of_measured(request: MeasuredRequest) -> Mapping[str, float]:
    gaps = request.output_tokens - 1
    tpot = {"tpot_ms": (request.last_us - request.first_us) / 1000 / gaps} if gaps else {}
    return {"ttft_ms": request.first_us / 1000} | tpot


def _of_simulated(served: Served) -> Mapping[str, float]:
    if served.outcome is None:
        return {}
    line = served.outcome.timeline
    figures = {"ttft_ms": line.ttft_ms, "tpot_ms": line.mean_tpot_ms}
    return {name: value for name, value in figures.items() if value is not None}


def _by_class(load: Sequence[Arrival], figures: Iterable[Mapping[str, float]]) -> dict[str, dict[str, list[float]]]:
    """Values of each figure, of all and by class."""
    names = (class_of(arrival.slo) for arrival in load)
    pairs = list(zip(names, figures, strict=True))
    values: dict[str, dict[str, list[float]]] = {
        name: {"ttft_ms": [], "tpot_ms": []} for name in (ALL, *sorted({name for name, _ in pairs}))
    }
    for cls, of in chain(pairs, ((ALL, of) for _, of in pairs)):
        for name, value in of.items():
            values[cls][name].append(value)
    return values
