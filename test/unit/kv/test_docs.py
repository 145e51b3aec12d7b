"""The page on KV formats says what the code does."""

import re
from pathlib import Path

import pytest

from superinfer.kv import Format, KvShape

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "kv.md").read_text()
SHAPES = {
    "SmolLM2-135M": KvShape(layers=30, heads=3, k_dim=64, v_dim=64),
    "Llama 3.1 70B": KvShape(layers=80, heads=8, k_dim=128, v_dim=128),
}


def test_the_example_runs():
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(example, "docs/kv.md", "exec"), {})


@pytest.mark.parametrize("model", SHAPES)
def test_the_figures_are_exact(model: str):
    def cells(label: str) -> list[float]:
        (row,) = re.findall(rf"^\| {label} {re.escape(model)}[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
        return [float(cell.replace(",", "")) for cell in row.split(" | ")]

    shape = SHAPES[model]
    assert cells("bytes a token,") == [shape.token_bytes(fmt) for fmt in Format]
    assert cells("tokens a GiB,") == [shape.tokens_per_gib(fmt) for fmt in Format]
