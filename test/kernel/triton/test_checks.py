"""Wrong arguments are named before anything is launched, in the words of the native kernels."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from kernel.arguments import Arguments, decode_arguments, extend_arguments, store_arguments
from superinfer.kernels import triton as kernels
from superinfer.kernels.errors import KernelsUnavailable

pytestmark = pytest.mark.kernel


def decode(**changes: Any) -> None:
    kernels.decode_attention(**(decode_arguments() | changes))


def extend(**changes: Any) -> None:
    kernels.extend_attention(**(extend_arguments() | changes))


def store(**changes: Any) -> None:
    kernels.kv_store(**(store_arguments() | changes))


@pytest.mark.parametrize(
    ("call", "changes", "error", "message"),
    [
        (decode, {"q": torch.zeros(2, 64)}, ValueError, "q must have 3 dimensions, not 2"),
        (decode, {"q": torch.zeros(2, 4, 24)}, ValueError, "q must have size 16 in dimension 2, not 24"),
        (decode, {"q": torch.zeros(2, 3, 16)}, ValueError, "q must have a multiple of the cache's 2 heads, not 3"),
        (decode, {"q": torch.zeros(2, 4, 16).double()}, TypeError, "q must be float32, float16 or bfloat16, not flo"),
        (decode, {"q": torch.zeros(3, 4, 16), "out": torch.zeros(3, 4, 8)}, ValueError, "q must have size 2"),
        (decode, {"q": torch.zeros(2, 16, 4).mT}, ValueError, "q must have stride 1 in dimension 2"),
        (decode, {"out": torch.zeros(2, 4, 16)}, ValueError, "out must have size 8 in dimension 2, not 16"),
        (decode, {"v_cache": torch.zeros(5, 2, 8)}, ValueError, "v_cache must have size"),
        (decode, {"req_to_token": torch.zeros(4, 40).long()}, TypeError, "req_to_token must be int32"),
        (decode, {"rows": torch.tensor([0, 1]).int()}, TypeError, "rows must be int64"),
        (decode, {"window": 0}, ValueError, "window must be negative"),
        (decode, {"logit_cap": -1.0}, ValueError, "logit_cap must be 0"),
        (decode, {"logit_cap": float("nan")}, ValueError, "logit_cap must be 0"),
        (extend, {"prefix_lens": torch.tensor([1])}, ValueError, "prefix_lens must have size 2"),
        (extend, {"qo_indptr": torch.tensor([0, 5])}, ValueError, "qo_indptr must have size 3"),
        (extend, {"causal": False, "window": 3}, ValueError, "a window needs causal attention"),
        (store, {"loc": torch.tensor([0, 1])}, ValueError, "loc must have size 3 in dimension 0, not 2"),
        (store, {"v": torch.zeros(3, 2, 8).half()}, TypeError, "k and v must have the same dtype"),
        (store, {"v_cache": torch.zeros(9, 2, 8).half()}, TypeError, "k_cache and v_cache must have the same dtype"),
        (store, {"k_cache": torch.zeros(9, 2, 32)[..., ::2]}, ValueError, "k_cache must have stride 1|contiguous"),
        (store, {"k_cache": torch.zeros(9, 2, 12)}, ValueError, "k_cache's head dimension must be a multiple of 8"),
    ],
)
def test_names_what_is_wrong(call: Callable[..., None], changes: Arguments, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call(**changes)


@pytest.mark.parametrize("call", [decode, extend, store])
def test_right_arguments_need_a_gpu(call: Callable[..., None]):
    with pytest.raises(KernelsUnavailable, match="need tensors on a GPU, not on cpu"):
        call()


def test_without_triton_the_reason_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(KernelsUnavailable, match="Triton cannot be imported"):
        decode()


def test_importing_loads_no_triton():
    program = "import superinfer.kernels.triton, sys; print('triton' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
