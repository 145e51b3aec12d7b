"""One load under one policy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from superinfer.sched.rotation import RotationPolicy, RotationSettings
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sim.baselines import BASELINES, SYSTEMS, machine_for
from superinfer.sim.engine import Engine, Totals
from superinfer.sim.figures import by_class, class_figures, class_of
from superinfer.sim.kv_account import KvAccount
from superinfer.sim.machine import Machine
from superinfer.sim.one_in_parts import OneInParts
from superinfer.sim.policy import Policy
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from superinfer.workload.attainment import Served

CLASSES = ("interactive", "standard", "batch")
"""The most important first; any other is as important as ``standard``."""

DRAIN_US = 600_000_000
"""How long a load may take to end after its last arrival, if no deadline is later."""

POLICIES: Mapping[str, Callable[[], Policy]] = {**BASELINES, "rotation": RotationPolicy}

CALIBRATION = (
    *(StepLoad(rows, rows * context) for rows in (1, 8, 32, 128) for context in (256, 2048)),
    *(StepLoad(0, 0, tokens, tokens * tokens // 2) for tokens in (64, 256, 1024, 4096)),
    *(StepLoad(32, 32_768, tokens, tokens * 2048) for tokens in (64, 512, 2048)),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a load.

    Attributes:
        policy: Name of the policy.
        arrivals: The load.
        served: What became of each request, in the same order.
        totals: Counters of the engine.
        kv: Bytes of KV, if they were counted.
    """

    policy: str
    arrivals: list[Arrival]
    served: list[Served]
    totals: Totals
    kv: KvAccount | None = None

    def figures(self) -> dict[str, Any]:
        """All figures, ready for JSON."""
        work = self.totals.output_tokens + self.totals.prefill_tokens
        ends_us = [request.outcome.timeline.last_us or 0 for request in self.served if request.outcome]
        busy_until_us = max(ends_us, default=1)
        duration_s = self.arrivals[-1].at_us / 1e6 if self.arrivals else 0.0
        classes = by_class(self.arrivals, self.served)
        return {
            "policy": self.policy,
            "classes": {name: class_figures(served, duration_s) for name, served in classes.items()},
            "tokens_per_s": 1e6 * work / max(busy_until_us, 1),
            "makespan_s": busy_until_us / 1e6,
            "totals": asdict(self.totals),
            **({"kv": self.kv.figures()} if self.kv else {}),
        }


def rank_of(slo: SLO, classes: Sequence[str] = CLASSES) -> int:
    """Importance of a promise's class among ``classes``; one that is not there is in the middle."""
    name = class_of(slo)
    return classes.index(name) if name in classes else len(classes) // 2


def calibrate(step_time: StepTime, cost: Machine) -> None:
    """What a server measures when it starts: a few steps of each kind."""
    for _ in range(4):
        for load in CALIBRATION:
            step_time.observe(load, cost.step_us(load))


def policy_names(names: str) -> list[str]:
    """Policies and systems by their names, separated by commas; ``all`` is all policies.

    Raises:
        ValueError: An unknown name.
    """
    return list(POLICIES) if names == "all" else [_known(name.strip()) for name in names.split(",")]


def simulate(
    load: Iterable[Arrival],
    policy: str,
    cost: Machine,
    settings: RotationSettings | None = None,
    classes: Sequence[str] = CLASSES,
    kv: KvAccount | None = None,
    known: Sequence[tuple[StepLoad, int]] = (),
    one_in_parts: bool = False,
) -> Run:
    """Serve ``load``.

    Args:
        load: Requests by arrival.
        policy: One of ``POLICIES``, or of ``SYSTEMS`` for the policy that stands for it.
        cost: The machine; without a host, parked KV that has to make room is computed again.
        settings: Of ``rotation``; other policies have none.
        classes: The most important first.
        kv: Counts bytes of KV.
        known: Steps, and what each took in us, that the policy has learnt from; if none, it measures some at its start.
        one_in_parts: ``rotation`` as SGLang can obey it: one prompt is computed in parts at a time.

    Raises:
        ValueError: An unknown policy, or one that cannot run on this machine.
    """
    name = SYSTEMS[policy].policy if policy in SYSTEMS else _known(policy)
    arrivals = list(load)
    chosen, cost = _chosen(name, settings), machine_for(name, cost)
    if one_in_parts and isinstance(chosen, RotationPolicy):
        chosen = OneInParts(chosen)
    if isinstance(step_time := getattr(chosen, "step_time", None), StepTime):
        for step, elapsed_us in known:
            step_time.observe(step, elapsed_us)
        if not known:
            calibrate(step_time, cost)
    engine = Engine(cost, chosen, partial(rank_of, classes=classes), cost.has_host, kv)
    served = engine.run(arrivals, _end_us(arrivals))
    return Run(policy, arrivals, served, engine.totals, kv)


def _chosen(name: str, settings: RotationSettings | None) -> Policy:
    return RotationPolicy(settings) if settings and name == "rotation" else POLICIES[name]()


def _known(policy: str) -> str:
    if policy not in POLICIES and policy not in SYSTEMS:
        raise ValueError(f"policy {policy!r} is not known: {', '.join({**POLICIES, **SYSTEMS})}")
    return policy


def _end_us(arrivals: list[Arrival]) -> int:
    """When what is not finished counts as missed."""
    last_us = arrivals[-1].at_us if arrivals else 0
    return max([last_us + DRAIN_US, *(a.at_us + 1000 * (a.slo.deadline_ms or 0) for a in arrivals)])
