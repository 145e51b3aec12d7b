"""The codec in torch: what comes back, in how many bytes, and how far off."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superinfer.kv import PAGE_TOKENS, Format
from superinfer.kv.codec import (
    CODES,
    Sealed,
    key_numbers,
    pack_keys,
    pack_values,
    quantise,
    seal_keys,
    seal_values,
    value_numbers,
)
from superinfer.kv.formats import SEALED
from superinfer.kv.layout import key_head, value_head

pytestmark = pytest.mark.unit

DIMS = st.sampled_from([8, 24, 64, 80])
FORMATS = st.sampled_from(SEALED)


def page(dim: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    channels = torch.exp(spread * torch.randn(dim, generator=generator))
    return (torch.randn(2, PAGE_TOKENS, dim, generator=generator) + torch.randn(dim, generator=generator)) * channels


def steps(sealed: Sealed) -> torch.Tensor:
    return (sealed.scale_base + sealed.scales.int() * sealed.scale_step).view(torch.float32)


@settings(max_examples=30, deadline=None)
@given(dim=DIMS, seed=st.integers(0, 10**6), fmt=FORMATS, spread=st.sampled_from([0.1, 1.0, 2.0]))
def test_no_number_is_further_off_than_half_a_step(dim: int, seed: int, fmt: Format, spread: float):
    x = page(dim, seed, spread)
    sealed = seal_keys(x, fmt.bits)
    half = 0.5 * steps(sealed)[:, None, :]
    assert ((key_numbers(sealed) - x).abs() <= half * 1.001 + 1e-6 * x.abs().amax()).all()
    sealed = seal_values(x, fmt.bits)
    by_group = steps(sealed).unflatten(-1, (-1, PAGE_TOKENS)).mT.repeat_interleave(32, -1)[..., :dim]
    assert ((value_numbers(sealed, dim) - x).abs() <= 0.5 * by_group * 1.001 + 1e-6 * x.abs().amax()).all()


@settings(max_examples=30, deadline=None)
@given(dim=DIMS, seed=st.integers(0, 10**6), fmt=FORMATS)
def test_bytes_are_those_of_the_layout(dim: int, seed: int, fmt: Format):
    x = page(dim, seed)
    assert pack_keys(seal_keys(x, fmt.bits), fmt).shape == (2, key_head(fmt, dim).size)
    assert pack_values(seal_values(x, fmt.bits), fmt, dim).shape == (2, value_head(fmt, dim).size)


@pytest.mark.parametrize("fmt", SEALED)
def test_words_hold_neighbours_with_the_first_lowest(fmt: Format):
    sealed = seal_keys(page(64, 0), fmt.bits)
    payload = pack_keys(sealed, fmt)[:, key_head(fmt, 64).payload :]
    words = payload.reshape(2, -1, 4).long() @ torch.tensor([1, 1 << 8, 1 << 16, 1 << 24])
    per_word = 32 // fmt.bits
    for channel, token in ((0, 0), (1, 5), (17, 31), (63, 12)):
        word = words[:, channel // per_word * PAGE_TOKENS + token]
        code = word >> (channel % per_word * fmt.bits) & (2**fmt.bits - 1)
        assert torch.equal(code, sealed.codes[:, channel, token].long())


def test_the_largest_scale_is_all_but_exact():
    x = page(64, 3, spread=2.0)
    sealed = seal_keys(x, 4)
    zero = sealed.zero_base + sealed.zeros.float() * sealed.zero_step
    ideal = (x.amax(-2) - zero) / 15
    ratio = steps(sealed) / ideal
    assert (ratio >= 1 - 1e-6).all()
    assert ratio.max() < 1.07
    assert (ratio.gather(-1, ideal.argmax(-1, keepdim=True)) < 1.0001).all()


def test_outliers_in_some_channels_leave_the_others_alone():
    x = page(64, 1, spread=0.0)
    plain = key_numbers(seal_keys(x, 4)) - x
    x[..., 5] *= 30
    outliers = key_numbers(seal_keys(x, 4)) - x
    others = [channel for channel in range(64) if channel != 5]
    assert outliers[..., others].square().mean() < 1.5 * plain[..., others].square().mean()
    per_token = quantise(x, 4).numbers() - x
    assert per_token[..., others].square().mean() > 20 * plain[..., others].square().mean()


def test_sealing_twice_as_finely_sealed_numbers_costs_next_to_nothing_more():
    x = page(64, 2)
    at_once = (key_numbers(seal_keys(x, 4)) - x).square().mean()
    by_way_of_int8 = (key_numbers(seal_keys(key_numbers(seal_keys(x, 8)), 4)) - x).square().mean()
    assert by_way_of_int8 < 1.02 * at_once


@pytest.mark.parametrize("value", [0.0, 1.25, -3e-39, 1e30])
def test_equal_numbers_come_back(value: float):
    x = torch.full((1, PAGE_TOKENS, 64), value)
    assert torch.equal(key_numbers(seal_keys(x, 4)), x)
    assert torch.equal(value_numbers(seal_values(x, 4), 64), x)


def test_codes_of_zeros_and_scales_fill_a_byte():
    sealed = seal_keys(page(64, 4), 4)
    assert sealed.zeros.amax(-1).tolist() == [CODES, CODES]
    assert sealed.zeros.amin(-1).tolist() == [0, 0]
    assert sealed.scales.amax(-1).min() > CODES - 3
