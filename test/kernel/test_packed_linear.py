"""The product with packed weights against its reference, for any number of rows, outputs and inputs."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel.shapes import CACHE_DTYPES, SEEDS, error, typical_product
from superinfer import kernels
from superinfer.kernels import inputs, reference

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("isa")]

ROWS = st.one_of(st.integers(0, 14), st.integers(22, 40), st.integers(90, 130), st.just(200))
OUTPUTS = st.one_of(st.integers(1, 140), st.just(500))
INPUTS = st.one_of(st.integers(1, 70), st.just(576), st.integers(766, 770), st.just(1700))


def packed(weight: torch.Tensor) -> torch.Tensor:
    out = inputs.poisoned(*kernels.packed_shape(*weight.shape), dtype=weight.dtype)
    kernels.pack(weight, out)
    return out


@settings(max_examples=40)
@given(rows=ROWS, outputs=OUTPUTS, width=INPUTS, dtype=CACHE_DTYPES, bias=st.booleans(), seed=SEEDS)
@example(rows=200, outputs=500, width=1700, dtype=torch.bfloat16, bias=True, seed=0)
@example(rows=1, outputs=1, width=766, dtype=torch.float32, bias=False, seed=766)
def test_packed_linear(rows: int, outputs: int, width: int, dtype: torch.dtype, bias: bool, seed: int):
    x = inputs.strided(inputs.normal(rows, width, seed=seed))
    weight = inputs.normal(outputs, width, dtype=dtype, seed=seed + 1)
    offset = inputs.normal(outputs, seed=seed + 2) if bias else None
    out = inputs.strided(inputs.poisoned(rows, outputs))
    kernels.packed_linear(x, packed(weight), out, bias=offset)
    expected = reference.linear(x, weight)
    expected = expected if offset is None else expected + offset
    assert error(out, expected, typical_product(x, weight)) < 1e-5


@settings(max_examples=20)
@given(rows=ROWS, outputs=OUTPUTS, width=INPUTS, dtype=CACHE_DTYPES, bias=st.booleans(), seed=SEEDS)
def test_accumulate_adds_to_what_is_there(
    rows: int, outputs: int, width: int, dtype: torch.dtype, bias: bool, seed: int
):
    x = inputs.normal(rows, width, seed=seed)
    weight = inputs.normal(outputs, width, dtype=dtype, seed=seed + 1)
    offset = inputs.normal(outputs, seed=seed + 2) if bias else torch.zeros(outputs)
    before = inputs.normal(rows, outputs, seed=seed + 3)
    out = inputs.strided(before)
    kernels.packed_linear(x, packed(weight), out, bias=offset if bias else None, accumulate=True)
    expected = before + reference.linear(x, weight) + offset
    assert error(out, expected, typical_product(x, weight)) < 1e-5


@settings(max_examples=20)
@given(rows=st.integers(2, 130), outputs=OUTPUTS, width=INPUTS, dtype=CACHE_DTYPES, seed=SEEDS)
def test_a_row_has_the_same_bits_alone_and_in_a_batch(
    rows: int, outputs: int, width: int, dtype: torch.dtype, seed: int
):
    x = inputs.normal(rows, width, seed=seed)
    weight = packed(inputs.normal(outputs, width, dtype=dtype, seed=seed + 1))
    batch, alone = torch.empty(rows, outputs), torch.empty(1, outputs)
    kernels.packed_linear(x, weight, batch)
    for row in (0, rows // 2, rows - 1):
        kernels.packed_linear(x[row : row + 1], weight, alone)
        assert torch.equal(batch[row], alone[0])


@given(outputs=st.integers(1, 60), width=st.integers(1, 20), dtype=CACHE_DTYPES, seed=SEEDS)
def test_unpacked_rows_are_the_weights(outputs: int, width: int, dtype: torch.dtype, seed: int):
    weight = inputs.normal(outputs, width, dtype=dtype, seed=seed)
    rows = torch.randint(0, outputs, (7,), generator=torch.Generator().manual_seed(seed))
    out = inputs.strided(inputs.poisoned(len(rows), width))
    kernels.unpack_rows(packed(weight), rows, out)
    assert torch.equal(out, weight[rows].float())


def test_a_row_beyond_the_weight_is_refused():
    with pytest.raises(ValueError, match="rows"):
        kernels.unpack_rows(packed(torch.ones(16, 4)), torch.tensor([16]), torch.empty(1, 4))


@given(outputs=st.integers(1, 60), width=st.integers(1, 20))
def test_the_last_panel_is_filled_with_zeros(outputs: int, width: int):
    panels = packed(torch.ones(outputs, width))
    assert panels.sum() == outputs * width
