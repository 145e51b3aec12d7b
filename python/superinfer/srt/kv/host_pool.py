"""The host's pool for memory of several formats: pages are kept as they are, byte for byte."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from sglang.srt.mem_cache.pool_host.base import HostKVCache

from superinfer.kv import PAGE_TOKENS, Format, OutOfPages
from superinfer.kv.arena import PageArena
from superinfer.srt.host.copies import put_rows
from superinfer.srt.kv.measure import formats_of
from superinfer.srt.kv.pool import MixedKVPool

WORD_BYTES = 8
"""Units are copied in words: they are a multiple of 16 bytes in every layer."""


class _Part(NamedTuple):
    """Pages of one format on their way.

    Attributes:
        format: Of all of them.
        device: Their numbers on the device, int64 ``[pages]``.
        units: Where they lie on the host, one after the other, int64.
    """

    format: Format
    device: torch.Tensor
    units: torch.Tensor


class MixedKVPoolHost(HostKVCache):
    """Pages of all formats in one budget of bytes. A host slot is ``PAGE_TOKENS`` times the page's number, and on.

    To SGLang, which counts tokens, it is as large as if all pages were of the coarsest format; whether something fits
    is asked in pages (:meth:`alloc_pages`).

    Args:
        device_pool: What is copied from and to.
        host_bytes: Of the whole memory.
        poisons: Whether what is given back is overwritten, so that whoever still reads it notices.

    Attributes:
        arena: Who holds what of it.
        memory: Of each layer, int64 ``[units, words]``.

    Raises:
        ValueError: There is not so much free memory, or not even a native page fits.
    """

    def __init__(self, device_pool: MixedKVPool, host_bytes: int, *, poisons: bool = False) -> None:
        if host_bytes > (free_bytes := psutil.virtual_memory().available):
            raise ValueError(
                f"Not enough host memory available: {host_bytes} bytes are asked for, {free_bytes} are free."
            )
        shape = device_pool.regions.shape
        self.arena = PageArena(shape, host_bytes)
        self._device_pool = device_pool
        self._bytes, self._poisons = host_bytes, poisons
        self._loading: tuple[torch.Tensor, list[_Part]] | None = None
        self.layer_num = self.target_layer_num = shape.layers
        super().__init__(
            dtype=torch.uint8,
            device_capacity_tokens=device_pool.size,
            size_per_token=self.get_size_per_token(),
            start_layer=device_pool.start_layer,
            end_layer=device_pool.end_layer,
            host_to_device_ratio=0.0,
            host_size=0,
            page_size=PAGE_TOKENS,
            layout="layer_first",
            pin_memory=False,
            device="cpu",
            host_token_capacity=self.arena.max_pages * PAGE_TOKENS,
        )

    # What there is.

    def get_size_per_token(self) -> int:
        """Bytes of a token in the coarsest format."""
        return min(self.arena.shape.page_bytes(fmt) for fmt in Format) // PAGE_TOKENS

    def init_kv_buffer(self) -> list[torch.Tensor]:
        """The memory, by layer."""
        words = self.arena.unit_bytes // WORD_BYTES
        self.memory = [torch.empty(self.arena.units, words, dtype=torch.int64) for _ in range(self.layer_num)]
        return self.memory

    def clear(self) -> None:
        """Free everything."""
        self.arena = PageArena(self.arena.shape, self._bytes)

    def available_size(self) -> int:
        """Tokens of the coarsest format for which there is room."""
        smallest = min(map(self.arena.page_units, Format))
        return self.arena.free_units // smallest * PAGE_TOKENS

    @property
    def used_bytes(self) -> int:
        """Bytes of the pages that are held."""
        return self.arena.used_bytes

    @property
    def total_bytes(self) -> int:
        """Bytes of all units."""
        return self.arena.bytes(self.arena.units)

    def formats(self, host_indices: torch.Tensor) -> NDArray[np.int64]:
        """Formats of the pages with these slots, all of each page."""
        return self.arena.formats(_numbers(host_indices)).astype(np.int64)

    def units(self, formats: NDArray[np.int64]) -> int:
        """Room that pages of these formats take."""
        counts = np.bincount(formats, minlength=len(Format)).tolist()
        return sum(self.arena.page_units(fmt) * count for fmt, count in zip(Format, counts, strict=True))

    def native_tokens(self, formats: NDArray[np.int64]) -> float:
        """Native tokens that would take the room of pages of these formats."""
        return self.native_tokens_of(self.units(formats))

    def native_tokens_of(self, units: int) -> float:
        """Native tokens that would take so much room."""
        return PAGE_TOKENS * units / self.arena.page_units(Format.NATIVE)

    def device_formats(self, device_indices: torch.Tensor) -> NDArray[np.int64]:
        """Formats of pages on the device, by their slots."""
        return formats_of(self._device_pool.regions, device_indices[::PAGE_TOKENS].numpy())

    # Giving and taking.

    def alloc(self, need_size: int) -> torch.Tensor | None:
        """SGLang asks without saying of which format: :meth:`alloc_pages` serves instead."""
        raise NotImplementedError("pages on this host have formats")

    def alloc_pages(self, formats: Sequence[Format]) -> torch.Tensor | None:
        """Slots of new pages, or ``None`` if there is no room for all of them."""
        with self.lock:
            try:
                numbers = self.arena.allocate(formats)
            except OutOfPages:
                return None
        first = torch.tensor(numbers, dtype=torch.int64) * PAGE_TOKENS
        return (first[:, None] + torch.arange(PAGE_TOKENS)).flatten()

    def free(self, indices: torch.Tensor) -> int:
        """Free the pages with these slots, all of each."""
        numbers = _numbers(indices).tolist()
        with self.lock:
            self._poison(numbers)
            self.arena.release(numbers)
        return len(indices)

    def coarsen(self, number: int, fmt: Format) -> None:
        """A page takes the room of a coarser one, and has to be written anew."""
        with self.lock:
            self._poison([number])
            self.arena.coarsen(number, fmt)

    def _poison(self, numbers: list[int]) -> None:
        if self._poisons and numbers:
            units = torch.from_numpy(self.arena.units_of(numbers).astype(np.int64))
            for memory in self.memory:
                memory[units] = -1

    # Copying.

    def backup_from_device_all_layer(
        self, device_pool: Any, host_indices: torch.Tensor, device_indices: torch.Tensor, io_backend: str
    ) -> None:
        """Keep pages in all layers; host pages have been allocated in the formats of those on the device."""
        parts = self._parts(host_indices, device_indices)
        for layer, memory in enumerate(self.memory):
            for part in parts:
                pages = [pages.index_select(0, part.device) for pages in device_pool.pages_of(layer, part.format)]
                units = torch.cat(pages, 1).view(torch.int64).view(-1, memory.shape[1])
                put_rows(memory, part.units, units)

    def load_to_device_per_layer(
        self,
        device_pool: Any,
        host_indices: torch.Tensor,
        device_indices: torch.Tensor,
        layer_id: int,
        io_backend: str,
        *,
        is_draft: bool = False,
    ) -> None:
        """Bring pages of one layer back, to pages of their formats."""
        if self._loading is None or self._loading[0] is not host_indices:
            self._loading = host_indices, self._parts(host_indices, device_indices)
        memory = self.memory[layer_id]
        for part in self._loading[1]:
            keys, values = device_pool.pages_of(layer_id, part.format)
            pages = memory.index_select(0, part.units).view(torch.uint8).view(len(part.device), -1)
            put_rows(keys, part.device, pages[:, : keys.shape[1]])
            put_rows(values, part.device, pages[:, keys.shape[1] :])

    def _parts(self, host_indices: torch.Tensor, device_indices: torch.Tensor) -> list[_Part]:
        """What is copied, by format.

        Raises:
            ValueError: A page has another format on the other side.
        """
        numbers, first = _numbers(host_indices), device_indices[::PAGE_TOKENS].numpy()
        formats = formats_of(self._device_pool.regions, first)
        if not np.array_equal(formats, self.arena.formats(numbers)):
            raise ValueError("cannot copy pages to pages of another format")
        return list(self._by_format(numbers, first, formats))

    def _by_format(
        self, numbers: NDArray[np.int64], first: NDArray[np.int64], formats: NDArray[np.int64]
    ) -> Iterator[_Part]:
        for fmt in Format:
            chosen = np.flatnonzero(formats == fmt)
            if len(chosen):
                device = (first[chosen] - self._device_pool.regions.base(fmt)) // PAGE_TOKENS
                units = self.arena.units_of(numbers[chosen].tolist()).astype(np.int64)
                yield _Part(fmt, torch.from_numpy(device.astype(np.int64)), torch.from_numpy(units))

    # Storage behind the host is refused.

    def get_data_page(self, index: int, flat: bool = True) -> torch.Tensor:
        """Nobody asks."""
        raise NotImplementedError("there is no storage behind this host")

    def get_dummy_flat_data_page(self) -> torch.Tensor:
        """Nobody asks."""
        raise NotImplementedError("there is no storage behind this host")

    def set_from_flat_data_page(self, index: int, data_page: torch.Tensor) -> None:
        """Nobody asks."""
        raise NotImplementedError("there is no storage behind this host")


def _numbers(host_indices: torch.Tensor) -> NDArray[np.int64]:
    """Numbers of the pages with these slots."""
    numbers: NDArray[np.int64] = host_indices[::PAGE_TOKENS].numpy() // PAGE_TOKENS
    return numbers


def mixed_pool(host_pool_group: Any) -> MixedKVPoolHost | None:
    """The pool of SGLang's group, if it is of this kind."""
    pool = host_pool_group.anchor_entry.host_pool
    return pool if isinstance(pool, MixedKVPoolHost) else None
