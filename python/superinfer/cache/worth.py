"""What a prefix is worth in host memory, and what taking it there costs: offload or discard."""

from collections import deque
from dataclasses import dataclass
from math import inf, log2

from superinfer.cache.score import FLOOR, Cost
from superinfer.cache.stored import STEPS_PER_OCTAVE

GRAINS = 64
"""How finely a tier's writes are kept: parts of its size."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a copy in host memory is expected to save.

    Attributes:
        chance: Of a use before the host lets it go.
        recompute_ms: Time to compute it again.
        load_ms: Time to load it instead.
        room_tokens: Room that it takes, above 0: its length, or less in a coarser format.
    """

    chance: float
    recompute_ms: float
    load_ms: float
    room_tokens: float

    @property
    def saved_ms(self) -> float:
        """Expected saving; none where loading takes longer than computing."""
        return self.chance * max(self.recompute_ms - self.load_ms, 0.0)

    @property
    def per_token_ms(self) -> float:
        """The same for a token's room on the host: what has least of it goes first."""
        return self.saved_ms / self.room_tokens

    @property
    def price(self) -> int:
        """The same as a whole number, so that it is equal on all ranks: a logarithm."""
        return round(STEPS_PER_OCTAVE * log2(max(self.per_token_ms, FLOOR)))


@dataclass(frozen=True, slots=True)
class Offload:
    """Whether a node that leaves the device is copied to the host.

    Attributes:
        worth: What the copy saves.
        copy_ms: Time of the link that it takes: whoever needs the room waits for it.
        room_ms: What is lost of that which has to go from the host for it.
    """

    worth: Worth
    copy_ms: float
    room_ms: float

    @property
    def gain_ms(self) -> float:
        """What is left of the saving."""
        return self.worth.saved_ms - self.copy_ms - self.room_ms

    @property
    def pays(self) -> bool:
        """Copied if something is expected of it and that is no less than the cost."""
        return self.worth.chance > 0 and self.gain_ms >= 0


@dataclass(frozen=True, slots=True)
class Prices:
    """What computing and the link cost at a time.

    Attributes:
        cost: Of computing.
        link_token_ms: Of moving the KV that has a token's room, in either direction.
    """

    cost: Cost
    link_token_ms: float

    def worth(self, chance: float, start: int, tokens: int, room_tokens: float) -> Worth:
        """Of a node whose first token follows ``start`` others."""
        return Worth(chance, self.cost.recompute_ms(start, tokens), room_tokens * self.link_token_ms, room_tokens)

    def offload(self, worth: Worth, free_tokens: float, victim: Worth | None) -> Offload:
        """The choice for a node of this worth.

        Args:
            worth: Of the node.
            free_tokens: Room on the host that nothing has to go for.
            victim: Of what would go next from the host; ``None`` if nothing can.
        """
        lacking = max(worth.room_tokens - free_tokens, 0)
        token_ms = inf if victim is None else victim.per_token_ms
        room_ms = lacking * token_ms if lacking else 0.0
        return Offload(worth, worth.room_tokens * self.link_token_ms, room_ms)


class Keeping:
    """For how long a tier keeps what is written to it: as long as it takes to write as much as it holds.

    What it holds longer, because it is worth more, and what goes sooner, even out.
    """

    def __init__(self, capacity_tokens: int) -> None:
        self._capacity_tokens = capacity_tokens
        self._grain = max(capacity_tokens // GRAINS, 1)
        self._written = 0.0
        self._marks: deque[tuple[float, float]] = deque()

    def wrote(self, tokens: float, now_s: float) -> None:
        """So much was written, in tokens."""
        if not self._marks or self._written - self._marks[-1][0] >= self._grain:
            self._marks.append((self._written, now_s))
        self._written += tokens
        while len(self._marks) > 1 and self._marks[1][0] <= self._written - self._capacity_tokens:
            self._marks.popleft()

    def keeps_s(self, now_s: float) -> float:
        """Seconds; without end where less was written than there is room."""
        if self._written < self._capacity_tokens or not self._marks:
            return inf
        return now_s - self._marks[0][1]
