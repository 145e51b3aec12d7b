"""Scheduling decisions, without the engine: pure functions of request states and a tick.

Times are integer microseconds on one clock, which nothing in here reads: ``now_us`` is always an argument. So
the server, the simulator and every tensor-parallel rank decide alike on like inputs.
"""

from superinfer.sched.admission import AgedLane, SkipAhead
from superinfer.sched.cost import CostModel
from superinfer.sched.order import Band, Candidate, QueueOrder, SlackOrder
from superinfer.sched.slack import slack_us
from superinfer.sched.state import SLOState

__all__ = [
    "AgedLane",
    "Band",
    "Candidate",
    "CostModel",
    "QueueOrder",
    "SLOState",
    "SkipAhead",
    "SlackOrder",
    "slack_us",
]
