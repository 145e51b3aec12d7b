"""Sealing pages with torch: the definition of the codes that the native kernels write, bit for bit.

Operations are elementary and in float32, so that they have one result on every machine: minimum, maximum, sum,
difference, product, quotient, rounding to the nearest even, and shifts of a number's bits.
"""

from dataclasses import dataclass

import torch

from superinfer.kv.formats import PAGE_TOKENS, VALUE_GROUP, Format
from superinfer.kv.layout import groups, key_head, value_head

LEAST_SCALE_BITS = 0x00800000
"""The smallest normal float32 number: dividing by less than that might give no number."""

CODES = 255
"""The largest code of a scale or a zero."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Codes of heads, before they are packed; leading dimensions are the caller's.

    Attributes:
        scales: uint8 ``[..., parameters]``.
        zeros: uint8, likewise.
        zero_base: float32 ``[..., 1]``: what a zero of 0 means; NaN if any number of the head was not finite.
        zero_step: float32 ``[..., 1]``: how far the next zero lies.
        scale_base: int32 ``[..., 1]``: the bits, as a float32, of a scale of 0.
        scale_step: int32 ``[..., 1]``: how many bits the next scale lies above: equal ratios, nearly.
        codes: uint8 ``[..., parameters, members]``.
    """

    scales: torch.Tensor
    zeros: torch.Tensor
    zero_base: torch.Tensor
    zero_step: torch.Tensor
    scale_base: torch.Tensor
    scale_step: torch.Tensor
    codes: torch.Tensor

    def numbers(self) -> torch.Tensor:
        """The float32 numbers that the codes mean, ``[..., parameters, members]``."""
        zero = self.zero_base + self.zeros.float() * self.zero_step
        scale = _scale(self.scales, self.scale_base, self.scale_step)
        return zero[..., None] + self.codes.float() * scale[..., None]


def _scale(codes: torch.Tensor, base: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    return (base + codes.to(torch.int32) * step).view(torch.float32)


def quantise(x: torch.Tensor, bits: int, members: torch.Tensor | None = None) -> Sealed:
    """Quantise sets of numbers that share a scale and a zero.

    Args:
        x: float32 ``[..., parameters, members]``.
        bits: Of a code.
        members: bool ``[parameters, members]``: what belongs to a set; by default everything.
    """
    levels = 2**bits - 1
    inside = torch.ones(x.shape[-2:], dtype=torch.bool) if members is None else members
    finite = x.isfinite().all(-1).all(-1)[..., None]
    x = x.nan_to_num(0.0, 0.0, 0.0)
    low = x.masked_fill(~inside, torch.inf).amin(-1)
    high = x.masked_fill(~inside, -torch.inf).amax(-1)
    zero_base = low.amin(-1, keepdim=True)
    zero_step = (low.amax(-1, keepdim=True) - zero_base) / CODES
    # Rounded down, so that the smallest number keeps a code.
    zeros = ((low - zero_base) / zero_step).nan_to_num(0.0).floor().clamp(0, CODES)
    zero = zero_base + zeros * zero_step
    scales, scale_base, scale_step = _encode_scales((high - zero) / levels)
    steps = (x - zero[..., None]) / _scale(scales, scale_base, scale_step)[..., None]
    codes = steps.round().clamp(0, levels).masked_fill(~inside, 0)
    base = torch.where(finite, zero_base, torch.nan)
    return Sealed(scales, zeros.to(torch.uint8), base, zero_step, scale_base, scale_step, codes.to(torch.uint8))


def _encode_scales(scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes, base and step of scales, rounded up so that the largest number of a set keeps a code.

    The codes divide the bits of the scales evenly between the smallest and the largest of the head. The largest is all
    but exact: it is the scale of the channels in which attention sinks stand out.
    """
    bits = scales.clamp(min=0.0).view(torch.int32).clamp(min=LEAST_SCALE_BITS)
    base = bits.amin(-1, keepdim=True)
    step = (bits.amax(-1, keepdim=True) - base + CODES - 1) // CODES
    codes = (bits - base + step - 1) // step.clamp(min=1)
    return codes.clamp(min=0).to(torch.uint8), base, step


def seal_keys(k: torch.Tensor, bits: int) -> Sealed:
    """Quantise pages of keys, ``[..., PAGE_TOKENS, dim]``: a parameter for each channel."""
    return quantise(k.float().mT, bits)


def seal_values(v: torch.Tensor, bits: int) -> Sealed:
    """Quantise pages of values, ``[..., PAGE_TOKENS, dim]``: a parameter for each group and token, groups outside."""
    dim = v.shape[-1]
    padding = groups(dim) * VALUE_GROUP - dim
    grouped = torch.nn.functional.pad(v.float(), (0, padding)).unflatten(-1, (-1, VALUE_GROUP)).transpose(-2, -3)
    channel = torch.arange(groups(dim) * VALUE_GROUP).view(-1, 1, VALUE_GROUP) < dim
    inside = channel.expand(-1, PAGE_TOKENS, -1).flatten(0, 1)
    return quantise(grouped.flatten(-3, -2), bits, inside.to(v.device))


def key_numbers(sealed: Sealed) -> torch.Tensor:
    """Keys that these codes mean: float32 ``[..., PAGE_TOKENS, dim]``."""
    return sealed.numbers().mT


def value_numbers(sealed: Sealed, dim: int) -> torch.Tensor:
    """Values that these codes mean: float32 ``[..., PAGE_TOKENS, dim]``."""
    return _by_token(sealed.numbers(), dim)


def _by_token(x: torch.Tensor, dim: int) -> torch.Tensor:
    """``[..., groups * tokens, members]`` as ``[..., tokens, dim]``."""
    return x.unflatten(-2, (-1, PAGE_TOKENS)).transpose(-2, -3).flatten(-2)[..., :dim]


def pack_keys(sealed: Sealed, fmt: Format) -> torch.Tensor:
    """The bytes of sealed keys: uint8 ``[..., size]``."""
    dim = sealed.codes.shape[-2]
    return _head_bytes(sealed, _words(sealed.codes, fmt.bits), key_head(fmt, dim).zeros)


def pack_values(sealed: Sealed, fmt: Format, dim: int) -> torch.Tensor:
    """The bytes of sealed values: uint8 ``[..., size]``."""
    return _head_bytes(sealed, _words(_by_token(sealed.codes, dim), fmt.bits), value_head(fmt, dim).zeros)


def _words(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """Pack ``[..., rows, columns]``: a word holds the codes of neighbouring rows; uint8 ``[..., bytes]``."""
    shifts = torch.arange(0, 32, bits, device=codes.device)
    wide = codes.long().unflatten(-2, (-1, 32 // bits)) << shifts[:, None]
    words = wide.sum(-2)
    octets = (words[..., None] >> torch.arange(0, 32, 8, device=codes.device)) & 255
    return octets.to(torch.uint8).flatten(-3)


def _head_bytes(sealed: Sealed, payload: torch.Tensor, padded: int) -> torch.Tensor:
    padding = (0, padded - sealed.scales.shape[-1])
    scales, zeros = (torch.nn.functional.pad(x, padding) for x in (sealed.scales, sealed.zeros))
    numbers = (sealed.zero_base, sealed.zero_step, sealed.scale_base, sealed.scale_step)
    bounds = [x.contiguous().view(torch.uint8) for x in numbers]
    return torch.cat([scales, zeros, *bounds, payload], -1)
