"""SGLang's KV pool on memory with regions: native pages, and pages sealed into 8 or 4 bits, in one slot space."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from sglang.srt.mem_cache.memory_pool import MHATokenToKVPool

from superinfer import kernels
from superinfer.kernels.memory import huge_zeros
from superinfer.kv import PAGE_TOKENS, Format, KvShape, Move, Page, Regions
from superinfer.srt.kv import NUMBERS
from superinfer.srt.kv.sizes import regions_of, tokens_of


class MixedKVPool(MHATokenToKVPool):
    """Two memories a layer, for keys and for values, each cut into regions.

    ``k_buffer`` and ``v_buffer`` show a layer's memory as the native slots that all of it would hold,
    ``[slots, heads, dim]``; new keys and values are only ever written to native slots.

    Attributes:
        regions: How the memory is cut at the start.
        slots: int64 ``[3]``: where the formats begin, for kernels.
    """

    regions: Regions
    slots: torch.Tensor

    def seal(self, sources: list[int], targets: list[int]) -> None:
        """Write pages again in a coarser format, in all layers.

        Args:
            sources: First slots of full pages.
            targets: First slots of free pages of coarser formats.
        """
        source, target = torch.tensor(sources, dtype=torch.int64), torch.tensor(targets, dtype=torch.int64)
        for k_memory, v_memory in zip(self.k_buffer, self.v_buffer, strict=True):
            kernels.seal_pages(k_memory, v_memory, self.slots, source, target)

    def copy(self, moves: Sequence[Move]) -> None:
        """Copy pages to others of their format, in all layers; no target is among the sources."""
        for fmt in Format:
            chosen = [move for move in moves if move.source.format is fmt]
            if chosen:
                sources, targets = (
                    torch.tensor([page.number for page in pages])
                    for pages in ([move.source for move in chosen], [move.target for move in chosen])
                )
                for pages in self._by_page(fmt):
                    pages[targets] = pages[sources]

    def poison(self, pages: Sequence[Page]) -> None:
        """Make what these pages hold not-a-number, whatever the format."""
        for fmt in Format:
            numbers = [page.number for page in pages if page.format is fmt]
            for memory in self._by_page(fmt) if numbers else ():
                memory[numbers] = 0xFF

    def pages_of(self, layer: int, fmt: Format) -> tuple[torch.Tensor, torch.Tensor]:
        """The memories of a layer as pages of a format: keys and values, uint8 ``[pages, bytes]``."""
        shape = self.regions.shape
        keys, values = self.k_buffer[layer], self.v_buffer[layer]
        return _as_pages(keys, shape.key_page_bytes(fmt)), _as_pages(values, shape.value_page_bytes(fmt))

    def _by_page(self, fmt: Format) -> Iterator[torch.Tensor]:
        for layer in range(self.layer_num):
            yield from self.pages_of(layer, fmt)

    def get_kv_size_bytes(self) -> tuple[int, int]:
        """Bytes of keys and of values."""
        return sum(memory.nbytes for memory in self.k_buffer), sum(memory.nbytes for memory in self.v_buffer)

    def _create_buffers(self) -> None:
        shape = KvShape(self.layer_num, self.head_num, self.head_dim, self.v_head_dim, NUMBERS[self.dtype])
        self.regions = regions_of(shape)
        assert self.size == tokens_of(self.regions), "the pool was sized by MixedPoolConfigurator"
        assert self.page_size == PAGE_TOKENS, "support.check saw to it"
        self.slots = torch.tensor(self.regions.slots)
        rows = self.regions.capacity(Format.NATIVE) * PAGE_TOKENS
        shapes = [(rows, self.head_num, dim) for dim in (self.head_dim, self.v_head_dim)]
        memories = huge_zeros([(shape, self.dtype) for _ in range(self.layer_num) for shape in shapes])
        self.k_buffer, self.v_buffer = memories[::2], memories[1::2]
        self.k_scale_buffer = self.v_scale_buffer = None
        self._kv_buffer_descs: list[Any] = []  # for transfers between servers, which support.check refuses
        self._init_data_ptrs_and_strides()


def _as_pages(memory: torch.Tensor, page_bytes: int) -> torch.Tensor:
    flat = memory.view(torch.uint8).view(-1)
    return flat[: len(flat) // page_bytes * page_bytes].view(-1, page_bytes)
