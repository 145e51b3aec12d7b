"""The kernels compile for GPUs, without one, and nothing spills."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from superinfer.kernels.triton import report, variants
from superinfer.kernels.triton.resources import ARCHITECTURES, measure

pytestmark = pytest.mark.kernel

# Of a program, by compute capability: CUDA C++ programming guide.
SHARED_BYTES = {80: 163 * 1024, 90: 227 * 1024}
VARIANTS = [
    variants.decode_variant(torch.float16, 80),
    variants.merge_variant(torch.bfloat16, 128),
    variants.extend_variant(torch.bfloat16, 128),
    variants.store_variant(torch.bfloat16, 80),
]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_nothing_spills(variant: variants.Variant, architecture: int):
    resources = measure(variant, architecture)
    assert resources.stack_bytes == 0
    assert 16 <= resources.registers <= 255
    assert resources.shared_bytes <= SHARED_BYTES[architecture]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_with_a_cap_spill_nothing_either(architecture: int):
    variant = variants.extend_variant(torch.bfloat16, 64)
    assert measure(replace(variant, constants=variant.constants | {"CAPPED": True}), architecture).stack_bytes == 0


@pytest.mark.parametrize("make", [variants.decode_variant, variants.extend_variant], ids=["decode", "extend"])
def test_launches_turn_a_number_that_is_1_into_a_constant(make: Callable[..., variants.Variant]):
    variant = make(torch.float16, 64)
    ones = dict.fromkeys(("group", "kv_heads", "slots", "window"), 1)
    assert measure(replace(variant, constants=variant.constants | ones), 80).stack_bytes == 0


def test_spilling_would_be_seen(monkeypatch: pytest.MonkeyPatch):
    blocks = variants.Blocks(rows=128, keys=64, warps=4, stages=3)
    monkeypatch.setattr(variants, "extend_blocks", lambda *_: blocks)
    assert measure(variants.extend_variant(torch.bfloat16, 128), 80).stack_bytes > 0


def test_the_report_replaces_only_its_own_part():
    page = f"before\n{report.BEGIN}old\n{report.END}after\n"
    new = f"{report.BEGIN}new\n{report.END}"
    assert report.replaced(page, new) == f"before\n{new}after\n"
    with pytest.raises(ValueError, match="has no part between"):
        report.replaced("before\n", new)


def test_the_page_shows_every_variant():
    page = (Path(__file__).parents[3] / "docs" / "kernels.md").read_text()
    for variant in [*variants.all_variants(), *variants.mixed_variants()]:
        row = report.resource_row(variant, [])
        assert row.removesuffix("|").rstrip() in page


MIXED = [
    variants.mixed_decode_variant(torch.bfloat16, 128),
    variants.mixed_extend_variant(torch.bfloat16, 64),
    variants.seal_variant("seal_key_heads", torch.bfloat16, 128, 4),
    variants.seal_variant("seal_value_heads", torch.bfloat16, 80, 8),
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("variant", MIXED, ids=lambda variant: variant.name)
def test_nothing_spills_over_several_formats(variant: variants.Variant, architecture: int):
    resources = measure(variant, architecture)
    assert resources.stack_bytes == 0
    assert resources.shared_bytes <= SHARED_BYTES[architecture]
