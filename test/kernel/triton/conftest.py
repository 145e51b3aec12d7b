from collections.abc import Iterator

import pytest

from kernel.triton.interpreter import Interpreter, interpreter


@pytest.fixture(scope="session")
def interpret() -> Iterator[Interpreter]:
    with interpreter() as running:
        yield running
