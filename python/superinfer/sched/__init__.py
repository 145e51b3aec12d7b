"""Scheduling decisions, without the engine: pure functions of request states and a tick.

Times are integer microseconds on one clock, which nothing in here reads: ``now_us`` is always an argument. So
the server, the simulator and every tensor-parallel rank decide alike on like inputs.
"""

from superinfer.sched.state import SLOState

__all__ = ["SLOState"]
