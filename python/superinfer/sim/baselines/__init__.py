"""The policies that rotation has to beat, as other systems have them."""

from collections.abc import Callable

from superinfer.sim.baselines.age import rotate_by_age
from superinfer.sim.baselines.chunked import Chunked
from superinfer.sim.baselines.flexgen import Blocks, Offloaded
from superinfer.sim.baselines.mlfq import SkipJoinMLFQ
from superinfer.sim.baselines.orders import (
    by,
    by_class,
    earliest_deadline_first,
    fcfs,
    highest_response_ratio,
    least_slack_first,
    shortest_prefill_first,
)
from superinfer.sim.baselines.room import ClassPreempts, least_important
from superinfer.sim.baselines.sglang import longest_prefix, output_reserve
from superinfer.sim.baselines.systems import SYSTEMS, System
from superinfer.sim.baselines.tensorrt_llm import guaranteed_no_evict, max_utilization
from superinfer.sim.machine import Machine
from superinfer.sim.policy import Policy
from superinfer.sim.roofline import Roofline

__all__ = ["BASELINES", "SYSTEMS", "System", "machine_for"]


def _priority() -> Chunked:
    return Chunked(by(by_class), preempt=ClassPreempts(), retract=least_important)


def _sglang_priority() -> Chunked:
    preempt = ClassPreempts(reserve=output_reserve)
    return Chunked(by(by_class), reserve=output_reserve, preempt=preempt, retract=least_important)


BASELINES: dict[str, Callable[[], Policy]] = {
    "fcfs": lambda: Chunked(by(fcfs)),
    "priority": _priority,
    "sglang-priority": _sglang_priority,
    "lpm": lambda: Chunked(longest_prefix),
    "spf": lambda: Chunked(by(shortest_prefill_first)),
    "hrrn": lambda: Chunked(by(highest_response_ratio)),
    "edf": lambda: Chunked(by(earliest_deadline_first)),
    "edf-reject": lambda: Chunked(by(earliest_deadline_first), rejects=True),
    "slack": lambda: Chunked(by(least_slack_first)),
    "mlfq": SkipJoinMLFQ,
    "age": rotate_by_age,
    "no-evict": guaranteed_no_evict,
    "max-utilization": max_utilization,
    "flexgen": Blocks,
}


def machine_for(policy: str, cost: Machine) -> Machine:
    """The machine as a policy uses it: FlexGen's keeps weights and KV on the host.

    Raises:
        ValueError: FlexGen on a machine of which only steps are known.
    """
    if policy != "flexgen":
        return cost
    if not isinstance(cost, Roofline):
        raise ValueError("flexgen needs a data sheet: the time of the link cannot be told from measured steps")
    return Offloaded(cost.hardware, cost.model)
