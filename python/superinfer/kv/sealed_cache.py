"""A KV cache for transformers' models that seals pages as the server does, with the same codes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from transformers import DynamicCache

from superinfer.kv.codec import key_numbers, quantise, seal_keys, seal_values, value_numbers
from superinfer.kv.formats import PAGE_TOKENS, Format, page_format

Sealer = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Takes keys and values of a page, ``[..., PAGE_TOKENS, dim]``, and returns what is read from now on."""


def sealer(fmt: Format) -> Sealer:
    """Keys and values as the codes of a format mean them; native ones stay as they are."""
    if fmt is Format.NATIVE:
        return lambda k, v: (k, v)

    def through_codes(k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return key_numbers(seal_keys(k, fmt.bits)), value_numbers(seal_values(v, fmt.bits), v.shape[-1])

    return through_codes


def seal_per_token(k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The plain way to 4 bits, to compare with: one scale and zero for the whole vector of a token."""
    return quantise(k.float(), 4).numbers(), quantise(v.float(), 4).numbers()


@dataclass(frozen=True, slots=True)
class Scheme:
    """How full pages are sealed.

    Attributes:
        name: As reported.
        of_page: What happens to a page of a request, by its place.
    """

    name: str
    of_page: Callable[[int], Sealer]


def _floors(name: str, *floors: Format) -> Scheme:
    """Pages with these floors in turn, over and over."""
    return Scheme(name, lambda page: sealer(page_format(floors[page % len(floors)], page)))


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        *(_floors(fmt.label, fmt) for fmt in Format),
        _floors("mixed", *Format),
        Scheme("int4-first-too", lambda _: sealer(Format.INT4)),
        Scheme("int4-per-token", lambda _: seal_per_token),
    )
}
"""What can be measured: requests of one floor, pages of all floors in turn, and two schemes to compare with."""


@dataclass(slots=True)
class StoredError:
    """How far stored numbers are from the native ones, in one layer.

    Attributes:
        squares: Sum of squared differences, of keys and of values.
        norms: Sum of squares of the native numbers, likewise.
    """

    squares: list[float] = field(default_factory=lambda: [0.0, 0.0])
    norms: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, which: int, native: torch.Tensor, stored: torch.Tensor) -> None:
        """Count one page's keys (0) or values (1)."""
        self.squares[which] += float((stored - native).square().sum())
        self.norms[which] += float(native.square().sum())

    @property
    def relative(self) -> tuple[float, float]:
        """Root of the mean square relative to the native numbers', of keys and of values."""
        keys, values = (
            (square / norm) ** 0.5 if norm else 0.0 for square, norm in zip(self.squares, self.norms, strict=True)
        )
        return keys, values


class SealedCache(DynamicCache):  # type: ignore[misc]
    """A cache whose pages are sealed as soon as tokens after them arrive: the open page is always native.

    Args:
        scheme: How pages are sealed.
        native: What native numbers are rounded to.
    """

    def __init__(self, scheme: Scheme, native: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self._scheme = scheme
        self._native = native
        self._sealed_pages: dict[int, int] = {}
        self.errors: dict[int, StoredError] = {}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values ``[batch, heads, tokens, dim]`` of a layer; returns all that it attends to.

        Give no more than one page at a time: what is appended is seen native by all of it.
        """
        new = tuple(x.to(self._native).to(x.dtype) for x in (key_states, value_states))
        keys, values = super().update(*new, layer_idx, *args, **kwargs)
        full = (keys.shape[2] - key_states.shape[2]) // PAGE_TOKENS
        for page in range(self._sealed_pages.get(layer_idx, 0), full):
            self._seal(layer_idx, page, keys, values)
        self._sealed_pages[layer_idx] = full
        return keys, values

    def _seal(self, layer: int, page: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        error = self.errors.setdefault(layer, StoredError())
        tokens = slice(page * PAGE_TOKENS, (page + 1) * PAGE_TOKENS)
        stored = self._scheme.of_page(page)(keys[:, :, tokens], values[:, :, tokens])
        for which, (cache, sealed) in enumerate(zip((keys, values), stored, strict=True)):
            error.add(which, cache[:, :, tokens], sealed)
            cache[:, :, tokens] = sealed.to(cache.dtype)
