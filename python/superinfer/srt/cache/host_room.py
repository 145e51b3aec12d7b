"""How much room nodes of SGLang's tree take on the host, in native tokens: a token in 4 bits takes a part of one."""

from typing import Any

from sglang.srt.mem_cache.unified_cache.components.base import ComponentType

from superinfer.srt.kv.host_pool import MixedKVPoolHost, mixed_pool


class HostRoom:
    """A host on which all tokens take the same room.

    Args:
        core: SGLang's tree.
        host_pool: Its host's pool.

    Attributes:
        capacity_tokens: Of the host.
    """

    def __init__(self, core: Any, host_pool: Any) -> None:
        self._core, self._pool = core, host_pool
        self.capacity_tokens = int(host_pool.size)

    def taken(self, node: Any) -> float:
        """By a node: by its copy on the host, or by one that would be made now."""
        return float(len(node.key))

    def free(self, wanted: float) -> float:
        """Room that nothing has to go for, as far as so much is wanted."""
        free = self._free()
        # Written at eviction, the host gives up first what is on the device, too.
        for node in self._core.full_host_duplicates.values() if self._core.is_write_back else ():
            if free >= wanted:
                break
            if node.backuped:
                free += self.taken(node)
        return free

    def _free(self) -> float:
        return float(self._pool.available_size())


class MixedRoom(HostRoom):
    """A host with pages of several formats."""

    def __init__(self, core: Any, host_pool: Any, pages: MixedKVPoolHost) -> None:
        super().__init__(core, host_pool)
        self._pages = pages
        self.capacity_tokens = int(self._native(pages.arena.units))

    def taken(self, node: Any) -> float:
        """By the formats of its pages."""
        data = node.component_data[ComponentType.FULL]
        if data.host_value is not None:
            return self._pages.native_tokens(self._pages.formats(data.host_value))
        return self._pages.native_tokens(self._pages.device_formats(data.value))

    def _free(self) -> float:
        return self._native(self._pages.arena.free_units)

    def _native(self, units: int) -> float:
        return self._pages.native_tokens_of(units)


def room_of(core: Any, host_pool: Any) -> HostRoom:
    """Of a tree with a host tier."""
    pages = mixed_pool(host_pool)
    return HostRoom(core, host_pool) if pages is None else MixedRoom(core, host_pool, pages)
