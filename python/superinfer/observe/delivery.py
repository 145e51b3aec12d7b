"""Batches as they arrive, and what was lost on the way."""

from dataclasses import dataclass

from superinfer.observe.events import EventBatch


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing in front of a batch.

    Attributes:
        batches: Batches that were sent and did not arrive.
        events: Events that the publisher dropped.
        restarted: Whether the publisher was started anew, so that the rest cannot be counted.
    """

    batches: int = 0
    events: int = 0
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch, and what is missing in front of it, if anything."""

    batch: EventBatch
    gap: Gap | None


class Continuity:
    """Compares each batch with the one before. The first is taken as it is: watchers come when they like."""

    def __init__(self) -> None:
        self._last: EventBatch | None = None

    def see(self, batch: EventBatch) -> Gap | None:
        """What is missing between the last batch and this one."""
        last, self._last = self._last, batch
        if last is None:
            return None
        if batch.seq <= last.seq or batch.dropped < last.dropped:
            return Gap(restarted=True)
        gap = Gap(batches=batch.seq - last.seq - 1, events=batch.dropped - last.dropped)
        return gap if gap != Gap() else None
