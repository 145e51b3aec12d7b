"""Pages of all formats in one memory without regions: what lies where, and how many bytes it takes.

The memory is cut into units, of which a page of each format takes a whole number. A page need not lie in one piece: any
units will do. So a page fits where so many bytes are free, whatever was there before, and none are lost at edges. That
suits memory that is copied to and from, and that no kernel reads in place.
"""

from collections.abc import Iterable, Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

from superinfer.kv.allocator import OutOfPages
from superinfer.kv.formats import Format
from superinfer.kv.layout import KvShape

FREE = 255
"""Stands for the format of a page that is not held."""


class PageArena:
    """Who holds what of such a memory. A page has a number, which stays the same when it is made coarser.

    A unit is the same number of bytes in every layer; the keys of a page in a layer come first, then its values.

    Args:
        shape: Of the model.
        budget_bytes: Of the memory, in all layers, keys and values.

    Attributes:
        shape: As given.
        unit_bytes: Of a unit in one layer.
        units: Of the whole memory.

    Raises:
        ValueError: Not even a native page fits.
    """

    def __init__(self, shape: KvShape, budget_bytes: int) -> None:
        self.shape = shape
        self.unit_bytes = gcd(*(self.layer_bytes(fmt) for fmt in Format))
        self.units = budget_bytes // (shape.layers * self.unit_bytes)
        if self.units < self.page_units(Format.NATIVE):
            raise ValueError(f"{budget_bytes} bytes hold no native page, which has {shape.page_bytes(Format.NATIVE)}")
        self._free = np.arange(self.units, dtype=np.int32)[::-1].copy()
        self._free_units = self.units
        self._numbers: list[int] = []
        self._formats = np.full(self.max_pages, FREE, np.uint8)
        self._units: list[NDArray[np.int32]] = []

    def layer_bytes(self, fmt: Format) -> int:
        """Bytes of a page in one layer, keys and values."""
        return self.shape.key_page_bytes(fmt) + self.shape.value_page_bytes(fmt)

    def page_units(self, fmt: Format) -> int:
        """Units of a page."""
        return self.layer_bytes(fmt) // self.unit_bytes

    def room(self, formats: Iterable[Format]) -> int:
        """Units of so many pages."""
        return sum(map(self.page_units, formats))

    def bytes(self, units: int) -> int:
        """Bytes of so many units, in all layers."""
        return units * self.unit_bytes * self.shape.layers

    @property
    def max_pages(self) -> int:
        """Pages that it holds if all are as small as can be; their numbers are below that."""
        return self.units // min(map(self.page_units, Format))

    @property
    def free_units(self) -> int:
        """Units that nobody holds."""
        return self._free_units

    @property
    def used_bytes(self) -> int:
        """Bytes of the pages that are held."""
        return self.bytes(self.units - self._free_units)

    def pages(self, fmt: Format) -> int:
        """Pages of a format that are held."""
        return int(np.count_nonzero(self._formats == fmt))

    def formats(self, numbers: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint8]:
        """Formats of pages, as numbers; ``FREE`` for those that are not held."""
        return self._formats[np.asarray(numbers, np.int64)]

    def units_of(self, numbers: Iterable[int]) -> NDArray[np.int32]:
        """Where pages lie, one after the other.

        Raises:
            KeyError: One is free.
        """
        return np.concatenate([self._units[self._held(number)] for number in numbers])

    def allocate(self, formats: Sequence[Format]) -> list[int]:
        """Numbers of new pages of these formats.

        Raises:
            OutOfPages: There is no room for all of them; nothing was changed.
        """
        needed = self.room(formats)
        if needed > self._free_units:
            raise OutOfPages(f"{len(formats)} pages take {needed} units, and {self._free_units} are free")
        return [self._new(fmt) for fmt in formats]

    def coarsen(self, number: int, fmt: Format) -> None:
        """A page takes the room of a coarser one from now on. What was in it is lost.

        Raises:
            KeyError: It is free.
            ValueError: The format is not coarser.
        """
        now = Format(int(self._formats[self._held(number)]))
        if fmt not in now.coarser:
            raise ValueError(f"a page of {now.label} cannot become {fmt.label}, which is not coarser")
        units = self._units[number]
        self._units[number] = units[: self.page_units(fmt)].copy()
        self._put_back(units[self.page_units(fmt) :])
        self._formats[number] = fmt

    def release(self, numbers: Iterable[int]) -> None:
        """Free pages.

        Raises:
            KeyError: One is free already.
        """
        for number in numbers:
            self._put_back(self._units[self._held(number)])
            self._units[number] = self._free[:0]
            self._formats[number] = FREE
            self._numbers.append(number)

    def check_integrity(self) -> None:
        """For tests.

        Raises:
            RuntimeError: A unit has no place, or two; or a page has not what its format takes.
        """
        held = [self._free[: self._free_units], *self._units]
        if not np.array_equal(np.sort(np.concatenate(held)), np.arange(self.units)):
            raise RuntimeError("units are lost, or held twice")
        for number, units in enumerate(self._units):
            kind = int(self._formats[number])
            if len(units) != (0 if kind == FREE else self.page_units(Format(kind))):
                raise RuntimeError(f"page {number} has {len(units)} units")
        unused = sorted(self._numbers)
        if unused != [number for number, units in enumerate(self._units) if not len(units)]:
            raise RuntimeError("numbers of pages are lost, or free twice")

    def _new(self, fmt: Format) -> int:
        count = self.page_units(fmt)
        self._free_units -= count
        units = self._free[self._free_units : self._free_units + count][::-1].copy()
        if self._numbers:
            number = self._numbers.pop()
            self._units[number] = units
        else:
            number = len(self._units)
            self._units.append(units)
        self._formats[number] = fmt
        return number

    def _put_back(self, units: NDArray[np.int32]) -> None:
        end = self._free_units + len(units)
        self._free[self._free_units : end] = units[::-1]
        self._free_units = end

    def _held(self, number: int) -> int:
        if not 0 <= number < len(self._units) or self._formats[number] == FREE:
            raise KeyError(f"page {number} is free")
        return number
