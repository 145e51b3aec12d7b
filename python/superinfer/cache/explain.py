"""Why a node stays or goes, for people."""

from math import isfinite
from typing import Any

import numpy as np

from superinfer.cache.learned import Learned
from superinfer.cache.nodes import NodeId
from superinfer.cache.worth import Offload


def explain(rule: Learned[NodeId], node: NodeId, now_s: float) -> dict[str, Any]:
    """What the learned rule thinks of a node, ready for JSON.

    ``chances`` are those of a use up to the end of each horizon from the last use on, if there has been none until now.
    ``price`` orders the nodes, the cheapest goes first: a logarithm, of what a hit is ``worth`` per second and byte.

    Raises:
        ValueError: The node is neither in the cache nor remembered.
    """
    nodes = rule.nodes
    if node not in nodes.slots:
        raise ValueError(f"node {node!r} is not known")
    slot = nodes.slots[node]
    last, tokens = nodes.last[slot], nodes.tokens[slot]
    age_s = now_s - last.time_s
    (price, *_), _ = rule.key(slot, now_s)
    return {
        "resident": nodes.resident[slot],
        "tokens": tokens,
        "depth_tokens": nodes.depth[slot],
        "kind": nodes.kind[slot].name.lower(),
        "children": nodes.children[slot],
        "locks": nodes.locks[slot],
        "uses": int(rule.history.uses[slot]),
        "age_s": age_s,
        "bytes": tokens * rule.cost.bytes_per_token * nodes.stored[slot].weight,
        "slack_ms": last.slack_ms if isfinite(last.slack_ms) else None,
        "worth": rule.worth(slot),
        "recompute_ms": rule.cost.recompute_ms(nodes.depth[slot] - tokens, tokens),
        "chances": _chances(rule, slot, age_s),
        "price": price,
        "price_holds_s": max(rule.holds_until_s(slot, now_s) - now_s, 0.0),
    }


def explain_offload(offload: Offload, keeps_s: float) -> dict[str, Any]:
    """Whether a node would be copied to the host if it had to leave the device now, and why; ready for JSON.

    ``None`` for ``keeps_s``: the host is not full, nothing has to go; for ``room_ms``: nothing could go.
    """
    worth = offload.worth
    return {
        "offload": offload.pays,
        "chance": worth.chance,
        "keeps_s": keeps_s if isfinite(keeps_s) else None,
        "recompute_ms": worth.recompute_ms,
        "load_ms": worth.load_ms,
        "saved_ms": worth.saved_ms,
        "copy_ms": offload.copy_ms,
        "room_ms": offload.room_ms if isfinite(offload.room_ms) else None,
    }


def _chances(rule: Learned[NodeId], slot: int, age_s: float) -> dict[str, float]:
    hazards = 1 / (1 + np.exp(-rule.corrected_logits(slot).astype(np.float64)))
    edges_s = rule.predictor.edges_s
    ahead = edges_s > age_s
    chances = 1 - np.cumprod(np.where(ahead, 1 - hazards, 1.0))
    return {f"{edge:g}s": float(chance) for edge, chance in zip(edges_s[ahead], chances[ahead], strict=True)}
