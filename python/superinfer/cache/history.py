"""What a node has seen, as the numbers that the predictor reads."""

from array import array
from typing import Any

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

USED = -2
"""Instead of the parent's slot: the node has been there before."""

PENDING = 8192
"""Numbers that are noted at most before they are carried over to the arrays."""

NODE_NUMBERS, USE_NUMBERS = 8, 6

Floats = NDArray[np.float32]
Columns = tuple[Floats, Floats, NDArray[np.int32], NDArray[np.int32]]


class History:
    """Uses and facts of the nodes, in arrays by slot.

    A new node continues its parent's history, so that the gaps between a conversation's turns are known to the blocks
    of its latest turn.

    What happens is noted and carried over to the arrays when somebody looks at them: one call for a whole prompt, not
    one for each node. What a use costs is mostly the way from Python to the arrays and back.

    Args:
        unit: What a token counts for. The predictor learnt from blocks of 512 tokens; where prompts are cut into
            smaller ones, tokens count for more, so that the numbers look alike.
        sees_classes: Whether the predictor knows SLO classes; if not, all uses are of one.
    """

    def __init__(self, unit: float = 1.0, *, sees_classes: bool = True) -> None:
        self._unit = unit
        self._sees_classes = sees_classes
        self._items: Floats = np.zeros((0, ITEMS, ITEM_FEATURES), np.float32)
        self._static: Floats = np.zeros((0, STATIC_FEATURES), np.float32)
        self._codes = np.zeros((0, 2), np.int32)
        self._seen = np.zeros(0, np.int32)
        self._uses = np.zeros(0, np.int32)
        self._last_s = np.zeros(0, np.float64)
        self._born_s = np.zeros(0, np.float64)
        self._noted, self._noted_uses = array("q"), array("d")
        self._use: Use | None = None

    @property
    def bytes_per_node(self) -> int:
        """What a node takes here."""
        return sum(each.itemsize * int(np.prod(each.shape[1:])) for each in self._arrays())

    @property
    def items(self) -> Floats:
        """Of each slot, its last uses."""
        self._settle()
        return self._items

    @property
    def static(self) -> Floats:
        """Of each slot, facts."""
        self._settle()
        return self._static

    @property
    def codes(self) -> NDArray[np.int32]:
        """Of each slot, kind and tenant."""
        self._settle()
        return self._codes

    @property
    def seen(self) -> NDArray[np.int32]:
        """Of each slot, the uses of its history, with those of what it continues."""
        self._settle()
        return self._seen

    @property
    def uses(self) -> NDArray[np.int32]:
        """Of each slot, its own uses."""
        self._settle()
        return self._uses

    def columns(self) -> Columns:
        """``static``, ``items``, ``codes`` and ``seen``."""
        self._settle()
        return self._static, self._items, self._codes, self._seen

    def born(self, nodes: Nodes[NodeId], slot: int, use: Use) -> None:
        """A node has appeared."""
        parent = nodes.parent[slot]
        if parent == NONE:
            self._note(nodes, slot, use, NONE, 0, False)
        else:
            # A parent that the same request has just used or made has counted it already.
            self._note(nodes, slot, use, parent, nodes.born[parent] - 1, nodes.last[parent].seq == use.seq)

    def used(self, nodes: Nodes[NodeId], slot: int, use: Use) -> None:
        """A request has used a node."""
        self._note(nodes, slot, use, USED, 0, False)

    def amended(self, slot: int, use: Use) -> None:
        """The length of the answer to a node's last use has become known."""
        self.items[slot, -1, 3] = np.log1p(np.float32(self._unit * use.output_tokens))

    def split(self, lower: int, upper: int) -> None:
        """A node's first part has become a node; it has seen the same."""
        self._settle()
        self._reserve(upper)
        for each in self._arrays():
            each[upper] = each[lower]

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self._items, self._static, self._codes, self._seen, self._uses, self._last_s, self._born_s

    def _note(self, nodes: Nodes[NodeId], slot: int, use: Use, parent: int, siblings: int, counted: bool) -> None:
        if use is not self._use:
            if len(self._noted) >= PENDING:
                self._settle()
            self._use = use
            slo_class = use.slo_class * self._sees_classes
            found = max(use.prompt_tokens - use.new_tokens, 0)
            self._noted_uses.extend(
                (use.time_s, use.prompt_tokens, found, use.new_tokens, use.output_tokens, slo_class)
            )
        number = len(self._noted_uses) // USE_NUMBERS - 1
        codes = nodes.kind[slot] * TENANT_BUCKETS + use.tenant % TENANT_BUCKETS
        self._noted.extend((slot, parent, siblings, counted, number, codes, nodes.depth[slot], nodes.tokens[slot]))

    def _settle(self) -> None:
        """Carry over to the arrays what was noted."""
        if not self._noted:
            return
        rows = np.frombuffer(self._noted, np.int64).reshape(-1, NODE_NUMBERS)
        uses = np.frombuffer(self._noted_uses, np.float64).reshape(-1, USE_NUMBERS)
        self._reserve(int(rows[:, 0].max()))
        play(rows, uses, self._unit, *self._arrays())
        self._noted, self._noted_uses, self._use = array("q"), array("d"), None

    def _reserve(self, slot: int) -> None:
        if slot < len(self._seen):
            return
        size = max(2 * len(self._seen), slot + 1, 1024)
        for name in ("items", "static", "codes", "seen", "uses", "last_s", "born_s"):
            old = getattr(self, f"_{name}")
            new = np.zeros((size, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, f"_{name}", new)


@compiled
def play(
    rows: NDArray[np.int64],
    noted: NDArray[np.float64],
    unit: float,
    items: Floats,
    static: Floats,
    codes: NDArray[np.int32],
    seen: NDArray[np.int32],
    uses: NDArray[np.int32],
    last_s: NDArray[np.float64],
    born_s: NDArray[np.float64],
) -> None:
    """What has happened to nodes, one after the other.

    Rows are ``[slot, parent, siblings, counted, use, codes, depth, tokens]``. Uses are
    ``[time, prompt tokens, those matched, those new, tokens answered, class]``.
    """
    for number in range(len(rows)):
        row = rows[number]
        use = noted[row[4]]
        slot, time_s, depth = row[0], use[0], row[6]
        counted = False
        if row[1] != USED:
            begin(items, static, seen, uses, last_s, born_s, slot, row[1], row[2], time_s)
            # A use that its parent has counted, for both, is not an item more.
            counted = row[3] != 0 and seen[slot] > 0
        if not counted:
            gap_s = max(time_s - last_s[slot], 0.0)
            put_item(items[slot], gap_s, unit * use[2], unit * use[3], unit * use[4], use[5])
            seen[slot] += 1
        uses[slot] += 1
        last_s[slot] = time_s
        codes[slot, 0], codes[slot, 1] = row[5] // TENANT_BUCKETS, row[5] % TENANT_BUCKETS
        after = max(use[1] - depth, 0.0)
        age_s = time_s - born_s[slot]
        put_static(static[slot], unit * depth, unit * row[7], unit * after, uses[slot], seen[slot], age_s)


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
def put_item(items: Floats, gap_s: float, matched: float, new: float, output: float, slo_class: float) -> None:
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
