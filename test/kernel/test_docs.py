"""The example of the kernels' page runs."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

PAGE = (Path(__file__).parents[2] / "docs" / "kernels.md").read_text()


def test_the_example_runs():
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "docs/kernels.md", "exec"), names)
    assert names["out"].shape == (2, 9, 64)
    assert names["out"].isfinite().all()
