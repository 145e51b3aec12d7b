"""What the cache tells about itself: the rule in force, pins, and why a node stays or goes."""

from heapq import nsmallest
from math import isfinite
from typing import Any

from superinfer.cache.claims import Level
from superinfer.cache.explain import explain, explain_offload
from superinfer.srt.cache.pins import Pins
from superinfer.srt.cache.radix_cache import LearnedRadixCache

SHOWN = 20


def summary(cache: LearnedRadixCache, pins: Pins) -> dict[str, Any]:
    """A few numbers, ready for JSON."""
    book, now_s = cache.book, cache.book.now_s()
    lead = book.ruling.lead_tokens()
    return {
        "rule": book.ruling.decider(),
        "learned_leads_tokens": None if lead is None else round(lead),
        "block_tokens": book.block_tokens,
        "nodes": sum(book.evictor.nodes.resident),
        "resident_tokens": book.evictor.resident_tokens,
        "remembered_nodes": len(book.evictor.nodes.slots) - sum(book.evictor.nodes.resident),
        "evicted_tokens": dict(sorted(book.evicted.items())),
        "host": _host(cache),
        "pinned_tokens": pins.tokens(),
        "pins": [_pin(cache, owner, pin, now_s) for owner, pin in pins.pins.items()][:SHOWN],
    }


def next_victims(cache: LearnedRadixCache) -> list[dict[str, Any]]:
    """The nodes that would go first now."""
    evictor, now_s = cache.book.evictor, cache.book.now_s()
    slots = [evictor.nodes.slots[name] for name in evictor.leaves()]
    first = nsmallest(SHOWN, slots, key=lambda slot: (cache.book.claims.key(slot, now_s)[0], slot))
    return [_node(cache, evictor.nodes.name(slot)) for slot in first]


def node(cache: LearnedRadixCache, name: str) -> dict[str, Any] | None:
    """Why a node stays or goes; ``None`` if no such node is known.

    Args:
        name: As reports give it; a beginning of it will do if only one node has it.
    """
    found = [known for known in cache.book.evictor.nodes.slots if known.hex().startswith(name.lower())]
    return _node(cache, found[0]) if len(found) == 1 else None


def _node(cache: LearnedRadixCache, name: bytes) -> dict[str, Any]:
    book, now_s = cache.book, cache.book.now_s()
    nodes, slot = book.evictor.nodes, book.evictor.nodes.slots[name]
    level, _ = book.claims.level(slot, now_s)
    result: dict[str, Any] = {
        "node": name.hex(),
        "resident": nodes.resident[slot],
        "tokens": nodes.tokens[slot],
        "depth_tokens": nodes.depth[slot],
        "children": nodes.children[slot],
        "uses": nodes.uses[slot],
        "age_s": round(now_s - nodes.last[slot].time_s, 3),
        "claim": Level(level).name.lower(),
        "evictable": name in book.evictor.leaves(),
        "rule": book.ruling.decider(),
    }
    if book.ruling.learned is not None:
        result["learned"] = explain(book.ruling.learned, name, now_s)
    host, tree_node = cache.tree_core.host, cache.tree_core.node_or_none(book.names.node_id(name))
    if host is not None and tree_node is not None:
        offload = explain_offload(host.offload(tree_node), host.keeps_s())
        result["host"] = {"there": tree_node.backuped, **offload}
    return result


def _host(cache: LearnedRadixCache) -> dict[str, Any] | None:
    host = cache.tree_core.host
    if host is None:
        return None
    victim, keeps_s = host.next_victim(), host.keeps_s()
    return {
        "keeps_s": round(keeps_s, 3) if isfinite(keeps_s) else None,
        "next": None if victim is None else cache.book.names.name_of(victim).hex(),
        "evicted_tokens": host.evicted_tokens,
        "discarded_tokens": host.discarded_tokens,
    }


def _pin(cache: LearnedRadixCache, owner: str, pin: Any, now_s: float) -> dict[str, Any]:
    tokens = sum(cache.path_tokens(pin.node).values())
    return {"owner": owner, "tokens": tokens, "left_ms": round(1000 * (pin.until_s - now_s))}
