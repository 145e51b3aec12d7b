"""Every kernel test runs once for each instruction set that this CPU has."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

from superinfer import kernels


@pytest.fixture(params=["amx", "avx512", "avx2", "portable"], scope="module")
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    assert kernels.available(), kernels.unavailable_reason()
    if request.param not in kernels.supported_isas():
        pytest.skip(f"this CPU has no {request.param}")
    before = kernels.current_isa()
    kernels.use_isa(request.param)
    assert kernels.current_isa() == request.param
    yield request.param
    kernels.use_isa(before)


@pytest.fixture(autouse=True, scope="session")
def _two_threads() -> None:
    # More threads than one, so that the split over threads is tested on any machine.
    torch.set_num_threads(max(2, torch.get_num_threads()))


# Time limits per example fail on a busy machine and say nothing about the code.
settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
