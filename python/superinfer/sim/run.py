"""One load under one policy, and the figures of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from superinfer.sched.rotation import RotationPolicy
from superinfer.sched.step_time import StepLoad, StepTime
from superinfer.sim.baselines import BASELINES, SYSTEMS, machine_for
from superinfer.sim.engine import Engine
from superinfer.sim.policy import Policy
from superinfer.sim.roofline import Roofline
from superinfer.slo import SLO
from superinfer.workload.arrivals import Arrival
from superinfer.workload.attainment import attainment

RANKS = {"interactive": 0, "standard": 1, "batch": 2}
DRAIN_US = 600_000_000
"""How long a load may take to end after its last arrival."""

POLICIES: Mapping[str, Callable[[], Policy]] = {**BASELINES, "rotation": RotationPolicy}

CALIBRATION = (
    *(StepLoad(rows, rows * context) for rows in (1, 8, 32, 128) for context in (256, 2048)),
    *(StepLoad(0, 0, tokens, tokens * tokens // 2) for tokens in (64, 256, 1024, 4096)),
    *(StepLoad(32, 32_768, tokens, tokens * 2048) for tokens in (64, 512, 2048)),
)


def rank_of(slo: SLO) -> int:
    """Importance of a promise's class."""
    return RANKS.get(slo.cls or "standard", 1)


def calibrate(step_time: StepTime, cost: Roofline) -> None:
    """What a server measures when it starts: a few steps of each kind."""
    for _ in range(4):
        for load in CALIBRATION:
            step_time.observe(load, cost.step_us(load))


def simulate(load: Iterable[Arrival], policy: str, cost: Roofline, *, host: bool = True) -> dict[str, Any]:
    """Serve ``load`` and sum up.

    Args:
        load: Requests by arrival.
        policy: One of ``POLICIES``, or of ``SYSTEMS`` for the policy that stands for it.
        cost: Machine and model.
        host: Whether parked KV goes to the host when it has to make room.

    Raises:
        ValueError: An unknown policy.
    """
    name = SYSTEMS[policy].policy if policy in SYSTEMS else policy
    if name not in POLICIES:
        raise ValueError(f"policy {policy!r} is not known: {', '.join({**POLICIES, **SYSTEMS})}")
    arrivals = list(load)
    chosen, cost = POLICIES[name](), machine_for(name, cost)
    if isinstance(step_time := getattr(chosen, "step_time", None), StepTime):
        calibrate(step_time, cost)
    engine = Engine(cost, chosen, rank_of, host)
    last_us = arrivals[-1].at_us if arrivals else 0
    served = engine.run(arrivals, last_us + DRAIN_US)
    totals = engine.totals
    classes = sorted({arrival.slo.cls or "standard" for arrival in arrivals})
    by_class = {
        name: attainment(s for s, a in zip(served, arrivals, strict=False) if (a.slo.cls or "standard") == name)
        for name in classes
    }
    work = totals.output_tokens + totals.prefill_tokens
    busy_until_us = max((round((s.outcome.timeline.last_us or 0)) for s in served if s.outcome), default=1)
    return {
        "policy": policy,
        "classes": {name: asdict(summary) | {"share": summary.share} for name, summary in by_class.items()},
        "tokens_per_s": 1e6 * work / max(busy_until_us, 1),
        "makespan_s": busy_until_us / 1e6,
        "totals": asdict(totals),
    }
