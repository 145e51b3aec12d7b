"""Whose KV is in the pool during the next step."""

from collections.abc import Sequence
from dataclasses import dataclass

from superinfer.sched.claim import Claim
from superinfer.sched.job import Job
from superinfer.sched.plan import Pool


@dataclass(frozen=True, slots=True)
class Room:
    """The rules of making room.

    A newcomer displaces residents of a later band only, and only those that have had their slice: equal never
    displaces equal, and nobody is taken out right after it came. What does not fit is passed by what does; its turn
    comes with age.

    Attributes:
        slice_us: Service before a request may be taken out.
        max_parked: Requests taken out in one pass for newcomers, at most.
    """

    slice_us: int
    max_parked: int

    def make(self, claims: Sequence[Claim], pool: Pool) -> tuple[list[Claim], tuple[Job, ...]]:
        """Those that may compute, in order, and those to take out.

        Args:
            claims: All requests, first served first.
            pool: KV memory.
        """
        residents = [claim for claim in claims if claim.resident]
        free = pool.capacity - sum(claim.need for claim in residents)
        parked: list[Claim] = []
        while free < 0 and residents:
            parked.append(victim := residents.pop())
            free += victim.need
        admitted: list[Claim] = []
        for claim in claims:
            if claim.resident:
                continue
            victims = self._victims(claim, residents, claim.need - free, self.max_parked - len(parked))
            if victims is None:
                continue
            residents = [resident for resident in residents if resident not in victims]
            parked.extend(victims)
            admitted.append(claim)
            free += sum(victim.need for victim in victims) - claim.need
        return sorted(residents + admitted), tuple(claim.job for claim in parked)

    def _victims(self, claim: Claim, residents: Sequence[Claim], missing: int, at_most: int) -> list[Claim] | None:
        """Residents to take out so that ``missing`` tokens become free; ``None`` if that cannot be had."""
        victims: list[Claim] = []
        for resident in reversed(residents):
            if missing <= 0 or len(victims) >= at_most:
                break
            if resident.band > claim.band and resident.job.slice_us >= self.slice_us:
                victims.append(resident)
                missing -= resident.need
        return victims if missing <= 0 else None
