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
        inside = np.concatenate([(leavers & claims.aged).nonzero()[0], (leavers & ~claims.aged).nonzero()[0]])
        wanted = _eldest_need(claims, pool.capacity)
        parked: list[int] = []
        reasons: list[ParkReason] = []
        while inside.size and (free < wanted or rows < bool(wanted)):
            reasons.append("memory" if free < 0 or rows < 0 else "aged")
            parked.append(victim := int(inside[-1]))
            inside, free, rows = inside[:-1], free + int(need[victim]), rows + 1
        # Claims are in order of bands, so that whoever a newcomer may displace stands at the end.
        spare = max(self.max_parked - len(parked), 0)
        movable = inside[(claims.slice_us[inside] >= self.slice_us) & ~claims.aged[inside]]
        movable = movable[max(len(movable) - spare, 0) :].tolist()
        newcomers = (~claims.resident).nonzero()[0]
        computing = claims.resident.copy()
        gains = _gains(claims, movable)
        while len(newcomers := gains.from_first_that_fits(claims, newcomers, free, rows)):
            fitting = min(int(need[newcomers].cumsum().searchsorted(free, "right")), max(rows, 0))
            # Those that fit together come in together, else the first with the help of those who may go.
            coming, newcomers = newcomers[: fitting or 1], newcomers[fitting or 1 :]
            computing[coming] = True
            free, rows = free - int(need[coming].sum()), rows - len(coming)
            if not fitting:
                while free < 0 or rows < 0:
                    reasons.append("displaced")
                    parked.append(victim := movable.pop())
                    free, rows = free + int(need[victim]), rows + 1
                gains = _gains(claims, movable)
        computing[parked] = False
        return Places(computing.nonzero()[0], np.array(parked, np.int64), tuple(reasons))


@dataclass(frozen=True, slots=True)
class Gains:
    """What a newcomer can have from those who may go: an entry per band, the newcomer's.

    Attributes:
        tokens: Of KV.
        rows: Places in the engine.
    """

    tokens: Ints
    rows: Ints

    def from_first_that_fits(self, claims: Claims, newcomers: Ints, free: int, rows: int) -> Ints:
        """Those of ``newcomers`` that may still come in, beginning with one that may come in now.

        Args:
            claims: All claims.
            newcomers: Places of newcomers.
            free: Tokens of KV that are free.
            rows: Places in the engine that are free.
        """
        # Whoever goes may leave more than was asked for, to anybody after.
        newcomers = newcomers[claims.need_tokens[newcomers] <= free + self.tokens[AGED]]
        bands = claims.band[newcomers]
        now = (claims.need_tokens[newcomers] <= free + self.tokens[bands]) & (rows + self.rows[bands] > 0)
        return newcomers[int(now.argmax()) :] if now.any() else newcomers[:0]


def _eldest_need(claims: Claims, capacity_tokens: int) -> int:
    """Tokens of the first in order if it is an aged newcomer and may have them; other aged ones stay."""
    if not claims.band.size or claims.resident[0] or claims.band[0] != AGED:
        return 0
    kept = claims.need_tokens[claims.resident & claims.aged].sum()
    need = int(claims.need_tokens[0])
    return need if need + kept <= capacity_tokens else 0


def _gains(claims: Claims, movable: list[int]) -> Gains:
    """From those who may go: each makes way for earlier bands only."""
    bands = int(claims.band.max(initial=0)) + 1
    gains = Gains(np.zeros(bands, np.int64), np.zeros(bands, np.int64))
    for place in movable:
        gains.tokens[: claims.band[place]] += claims.need_tokens[place]
        gains.rows[: claims.band[place]] += 1
    return gains
