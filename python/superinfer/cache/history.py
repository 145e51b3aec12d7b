"""What a node has seen, as the numbers that the predictor reads."""

import numpy as np
from numpy.typing import NDArray

from superinfer.cache.compiled import compiled
from superinfer.cache.nodes import NONE, NodeId, Nodes
from superinfer.cache.use import TENANT_BUCKETS, Use

ITEMS = 4
"""Uses that are kept of each node."""

ITEM_FEATURES = 5
"""Of a use: gap since the one before, tokens matched, tokens new, tokens answered, rank of the SLO class."""

STATIC_FEATURES = 9
"""End of the node, its tokens, tokens after it in the last prompt, whether none are, uses, uses on the path, age, uses
of its parent before it appeared, children its parent had by then."""

HUB_CHILDREN = 3
"""A node with so many children is a shared beginning: what grows below it starts a history of its own."""

Floats = NDArray[np.float32]


class History:
    """Uses and facts of the nodes, in arrays by slot.

    A new node continues its parent's history, so that the gaps between a conversation's turns are known to the blocks
    of its latest turn.

    Args:
        unit: What a token counts for. The predictor learnt from blocks of 512 tokens; where prompts are cut into
            smaller ones, tokens count for more, so that the numbers look alike.
        sees_classes: Whether the predictor knows SLO classes; if not, all uses are of one.
    """

    def __init__(self, unit: float = 1.0, *, sees_classes: bool = True) -> None:
        self._unit = unit
        self._sees_classes = sees_classes
        self.items: Floats = np.zeros((0, ITEMS, ITEM_FEATURES), np.float32)
        self.static: Floats = np.zeros((0, STATIC_FEATURES), np.float32)
        self.seen = np.zeros(0, np.int32)
        self.uses = np.zeros(0, np.int32)
        self.codes = np.zeros((0, 2), np.int32)
        self.last_s = np.zeros(0, np.float64)
        self.born_s = np.zeros(0, np.float64)

    @property
    def bytes_per_node(self) -> int:
        """What a node takes here."""
        arrays = (self.items, self.static, self.seen, self.uses, self.codes, self.last_s, self.born_s)
        return sum(array.itemsize * int(np.prod(array.shape[1:])) for array in arrays)

    def born(self, nodes: Nodes[NodeId], slot: int, use: Use) -> None:
        """A node has appeared."""
        self._reserve(slot)
        parent = nodes.parent[slot]
        siblings = nodes.born[parent] - 1 if parent != NONE else 0
        begin(
            self.items, self.static, self.seen, self.uses, self.last_s, self.born_s, slot, parent, siblings, use.time_s
        )
        # A parent that the same request has just used or made has counted it already.
        counted = bool(self.seen[slot] and nodes.last[parent].seq == use.seq)
        self._record(nodes, slot, use, counted)

    def used(self, nodes: Nodes[NodeId], slot: int, use: Use) -> None:
        """A request has used a node."""
        self._record(nodes, slot, use, counted=False)

    def amended(self, slot: int, use: Use) -> None:
        """The length of the answer to a node's last use has become known."""
        self.items[slot, -1, 3] = np.log1p(np.float32(self._unit * use.output_tokens))

    def split(self, lower: int, upper: int) -> None:
        """A node's first part has become a node; it has seen the same."""
        self._reserve(upper)
        for array in (self.items, self.static, self.seen, self.uses, self.codes, self.last_s, self.born_s):
            array[upper] = array[lower]

    def _record(self, nodes: Nodes[NodeId], slot: int, use: Use, counted: bool) -> None:
        unit, depth, prompt_tokens = self._unit, nodes.depth[slot], use.prompt_tokens
        # One call, not a dozen: what a use costs is mostly the way from Python to the arrays and back.
        record(
            self.items,
            self.static,
            self.seen,
            self.uses,
            self.codes,
            self.last_s,
            self.born_s,
            slot,
            use.time_s,
            unit * max(prompt_tokens - use.new_tokens, 0),
            unit * use.new_tokens,
            unit * use.output_tokens,
            use.slo_class * self._sees_classes,
            int(nodes.kind[slot]),
            use.tenant % TENANT_BUCKETS,
            unit * depth,
            unit * nodes.tokens[slot],
            unit * max(prompt_tokens - depth, 0),
            counted,
        )

    def _reserve(self, slot: int) -> None:
        if slot < len(self.seen):
            return
        size = max(2 * len(self.seen), slot + 1, 1024)
        for name in ("items", "static", "seen", "uses", "codes", "last_s", "born_s"):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


@compiled
def begin(
    items: Floats,
    static: Floats,
    seen: NDArray[np.int32],
    uses: NDArray[np.int32],
    last_s: NDArray[np.float64],
    born_s: NDArray[np.float64],
    slot: int,
    parent: int,
    siblings: int,
    time_s: float,
) -> None:
    """A node has appeared in a slot: it continues its parent's history, unless that is a shared beginning."""
    if parent != NONE and siblings < HUB_CHILDREN:
        items[slot] = items[parent]
        seen[slot], last_s[slot] = seen[parent], last_s[parent]
    else:
        seen[slot], last_s[slot] = 0, time_s
    parent_uses = uses[parent] if parent != NONE else 0
    uses[slot], born_s[slot] = 0, time_s
    static[slot, 7] = np.log1p(np.float32(parent_uses))
    static[slot, 8] = np.log1p(np.float32(siblings))


@compiled
def record(
    items: Floats,
    static: Floats,
    seen: NDArray[np.int32],
    uses: NDArray[np.int32],
    codes: NDArray[np.int32],
    last_s: NDArray[np.float64],
    born_s: NDArray[np.float64],
    slot: int,
    time_s: float,
    matched: float,
    new: float,
    output: float,
    slo_class: int,
    kind: int,
    tenant: int,
    depth: float,
    tokens: float,
    after: float,
    counted: bool,
) -> None:
    """A use of the node in a slot; one that its parent has counted, for both, is not an item more."""
    if not counted:
        put_item(items[slot], max(time_s - last_s[slot], 0.0), matched, new, output, slo_class)
        seen[slot] += 1
    uses[slot] += 1
    last_s[slot] = time_s
    codes[slot, 0], codes[slot, 1] = kind, tenant
    put_static(static[slot], depth, tokens, after, uses[slot], seen[slot], time_s - born_s[slot])


@compiled
def put_item(items: Floats, gap_s: float, matched: float, new: float, output: float, slo_class: int) -> None:
    """Append a use to a node's items, the oldest of which is lost."""
    for index in range(items.shape[0] - 1):
        for feature in range(items.shape[1]):
            items[index, feature] = items[index + 1, feature]
    last = items[items.shape[0] - 1]
    last[0] = np.log1p(gap_s)
    last[1], last[2], last[3] = np.log1p(float(matched)), np.log1p(float(new)), np.log1p(float(output))
    last[4] = slo_class


@compiled
def put_static(static: Floats, depth: float, tokens: float, after: float, uses: int, seen: int, age_s: float) -> None:
    """Set the facts of a node that change with each use."""
    static[0], static[1], static[2] = np.log1p(float(depth)), np.log1p(float(tokens)), np.log1p(float(after))
    static[3] = 1.0 if after == 0 else 0.0
    static[4], static[5], static[6] = np.log1p(float(uses)), np.log1p(float(seen)), np.log1p(age_s)
