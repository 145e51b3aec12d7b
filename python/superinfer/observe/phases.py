"""Where a request is, as far as events tell."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from superinfer.observe.events import (
    Aborted,
    Admitted,
    Arrived,
    Demoted,
    Event,
    Finished,
    Promoted,
    Rejected,
    Relegated,
    Resumed,
    Rotated,
)


class Phase(StrEnum):
    """What a live request is doing."""

    WAITING = "waiting"
    RUNNING = "running"
    PARKED = "parked"


PHASE_AFTER: Final[Mapping[type[Event], Phase]] = {
    Arrived: Phase.WAITING,
    Admitted: Phase.RUNNING,
    Resumed: Phase.RUNNING,
    Rotated: Phase.PARKED,
}
"""The phase that begins with an event; the others change none, or end the request."""

Change = Arrived | Admitted | Rotated | Resumed | Promoted | Demoted | Relegated
"""Events of requests that go on."""

Ending = Finished | Aborted | Rejected
"""Events after which there is nothing more to tell of a request."""
