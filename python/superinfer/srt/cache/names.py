"""Names of SGLang's tree nodes that outlive them: hashes of all tokens from the root to their ends."""

from hashlib import blake2b
from typing import Any

NAME_BYTES = 16


class PrefixNames:
    """A node's name says what it holds, however the tree is cut into nodes: what returns after its eviction is known.

    The state of the hash is kept per node, so that a name costs the node's own tokens only.
    """

    def __init__(self) -> None:
        self._hashes: dict[int, Any] = {}
        self._names: dict[int, bytes] = {}
        self._ids: dict[bytes, int] = {}

    def of(self, node: Any) -> bytes:
        """The name of SGLang's ``node``, which is not the root."""
        name = self._names.get(node.id)
        return name if name is not None else self._add(node)

    def id_of(self, name: bytes) -> int:
        """SGLang's number of the node that was last given this name."""
        return self._ids[name]

    def name_of(self, node_id: int) -> bytes:
        """The name of the node of this number, which has been asked for before."""
        return self._names[node_id]

    def node_id(self, name: bytes) -> int | None:
        """The same; ``None`` if there is no such node now."""
        return self._ids.get(name)

    def forget(self, node: Any) -> None:
        """SGLang's ``node`` is gone."""
        self._hashes.pop(node.id, None)
        name = self._names.pop(node.id, None)
        if name is not None and self._ids.get(name) == node.id:
            del self._ids[name]

    def _add(self, node: Any) -> bytes:
        unnamed = [node]
        while unnamed[-1].parent.parent is not None and unnamed[-1].parent.id not in self._hashes:
            unnamed.append(unnamed[-1].parent)
        for each in reversed(unnamed):
            above = self._hashes.get(each.parent.id)
            hashed = beginning(each.key.extra_key, each.key.cache_salt) if above is None else above.copy()
            hashed.update(each.key.raw_token_ids())
            self._hashes[each.id] = hashed
            name = self._names[each.id] = hashed.digest()
            self._ids[name] = each.id
        return self._names[node.id]


def beginning(extra_key: str | None, cache_salt: str | None) -> Any:
    """The hash of an empty prompt: SGLang keeps apart what has another of these keys."""
    return blake2b(repr((extra_key, cache_salt or None)).encode(), digest_size=NAME_BYTES)


def block_names(tokens: Any, block_tokens: int, extra_key: str | None, cache_salt: str | None) -> list[bytes]:
    """Names of a prompt's beginnings at the ends of its blocks; the last may end early.

    Args:
        tokens: ``array("q")``, as SGLang keeps prompts.
    """
    hashed, names = beginning(extra_key, cache_salt), []
    for start in range(0, len(tokens), block_tokens):
        hashed.update(tokens[start : start + block_tokens])
        names.append(hashed.digest())
    return names
