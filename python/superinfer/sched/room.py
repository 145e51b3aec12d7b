"""Whose KV is in the pool during the next step."""

from dataclasses import dataclass

import numpy as np

from superinfer.sched.claim import AGED, Claims
from superinfer.sched.columns import Ints
from superinfer.sched.plan import ParkReason, Pool


@dataclass(frozen=True, slots=True)
class Places:
    """Who has room, as places among the claims.

    Attributes:
        computing: Those that may compute, in order.
        parked: Those to take out.
        reasons: Why, one for each of these.
    """

    computing: Ints
    parked: Ints
    reasons: tuple[ParkReason, ...]


@dataclass(frozen=True, slots=True)
class Room:
    """The rules of making room.

    A newcomer displaces residents of a later band only, and only those that have had their slice: equal never
    displaces equal, and nobody is taken out right after it came. What does not fit is passed by what does; its turn
    comes with age: the one that has waited longest past the bound gets its room at once, whoever has it, but for others
    that have waited past the bound.

    Attributes:
        slice_us: Service before a request may be taken out.
        max_parked: Requests taken out in one pass for newcomers, at most, but for the one that has waited longest.
    """

    slice_us: int
    max_parked: int

    def make(self, claims: Claims, pool: Pool) -> Places:
        """Decide who has room."""
        need = claims.need_tokens
        free, rows = pool.capacity - int(need[claims.resident].sum()), pool.rows - int(claims.resident.sum())
        leavers = claims.resident & ~claims.fixed
        # From the end: the aged go only where those that are inside do not all fit any more.
        residents = [*np.flatnonzero(leavers & claims.aged).tolist(), *np.flatnonzero(leavers & ~claims.aged).tolist()]
        wanted = _eldest_need(claims, pool.capacity)
        parked: list[int] = []
        reasons: list[ParkReason] = []
        while residents and (free < wanted or rows < bool(wanted)):
            reasons.append("memory" if free < 0 or rows < 0 else "aged")
            parked.append(victim := residents.pop())
            free, rows = free + int(need[victim]), rows + 1
        spare = max(self.max_parked - len(parked), 0)
        # Claims are in order of bands, so that whoever a newcomer may displace stands at the end.
        inside = np.array(residents, np.int64)
        movable = inside[(claims.slice_us[inside] >= self.slice_us) & ~claims.aged[inside]].tolist()
        gains = _gains(claims, movable, spare)
        # Whoever goes may leave more than was asked for, to anybody after.
        newcomers = np.flatnonzero(~claims.resident & (need <= free + gains.tokens[AGED]))
        least = int(need[newcomers].min(initial=pool.capacity))
        computing = claims.resident.copy()
        for newcomer, tokens, band in zip(
            newcomers.tolist(), need[newcomers].tolist(), claims.band[newcomers].tolist(), strict=True
        ):
            if tokens > free + gains.tokens[band] or rows + gains.rows[band] < 1:
                continue
            computing[newcomer] = True
            free, rows = free - tokens, rows - 1
            if free < 0 or rows < 0:
                while free < 0 or rows < 0:
                    reasons.append("displaced")
                    parked.append(victim := movable.pop())
                    spare, free, rows = spare - 1, free + int(need[victim]), rows + 1
                gains = _gains(claims, movable, spare)
            if free + gains.tokens[AGED] < least or rows + gains.rows[AGED] < 1:
                break
        computing[parked] = False
        return Places(np.flatnonzero(computing), np.array(parked, np.int64), tuple(reasons))


@dataclass(frozen=True, slots=True)
class Gains:
    """What a newcomer can have from those who may go: an entry per band, the newcomer's.

    Attributes:
        tokens: Of KV.
        rows: Places in the engine.
    """

    tokens: list[int]
    rows: list[int]


def _eldest_need(claims: Claims, capacity_tokens: int) -> int:
    """Tokens of the first in order if it is an aged newcomer and may have them; other aged ones stay."""
    if not claims.band.size or claims.resident[0] or claims.band[0] != AGED:
        return 0
    kept = claims.need_tokens[claims.resident & claims.aged].sum()
    need = int(claims.need_tokens[0])
    return need if need + kept <= capacity_tokens else 0


def _gains(claims: Claims, movable: list[int], at_most: int) -> Gains:
    """From the last of those who may go, ``at_most`` of them: each makes way for earlier bands only."""
    bands = int(claims.band.max(initial=0)) + 1
    gains = Gains([0] * bands, [0] * bands)
    for place in movable[max(len(movable) - at_most, 0) :]:
        for band in range(claims.band[place]):
            gains.tokens[band] += int(claims.need_tokens[place])
            gains.rows[band] += 1
    return gains
