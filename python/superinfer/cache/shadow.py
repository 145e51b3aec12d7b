"""A cache that holds nothing: which of the sampled nodes would a rule have kept?"""

from superinfer.cache.ranking import Place, TimedRanking


class Shadow:
    """Sampled nodes by the order of a rule, least goes first.

    Nodes are looked at one by one and not as a tree: a sample of a tree is none.
    """

    def __init__(self, capacity_tokens: float, place: Place) -> None:
        self._capacity_tokens = capacity_tokens
        self._order = TimedRanking(place)
        self._tokens: dict[int, int] = {}
        self._unplaced: dict[int, None] = {}
        self._held = 0

    def holds(self, slot: int) -> bool:
        """Whether the node is held."""
        return slot in self._tokens

    def put(self, slot: int, tokens: int) -> None:
        """The node was used, and is held from now on."""
        self._held += tokens - self._tokens.get(slot, 0)
        self._tokens[slot] = tokens
        self._unplaced[slot] = None

    def moved(self, slot: int) -> None:
        """The node's place may be another one."""
        if slot in self._tokens:
            self._unplaced[slot] = None

    def make_room(self, now_s: float) -> None:
        """Let the least go until the rest fits."""
        for slot in self._unplaced:
            self._order.put(slot, now_s)
        self._unplaced.clear()
        self._order.follow(now_s)
        while self._held > self._capacity_tokens and (least := self._order.pop(now_s)) is not None:
            self._held -= self._tokens.pop(least)

    def drop(self, slot: int) -> None:
        """The slot will hold another node."""
        self._held -= self._tokens.pop(slot, 0)
        self._unplaced.pop(slot, None)
        self._order.drop(slot)
