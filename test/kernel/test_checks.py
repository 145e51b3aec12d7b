"""Wrong arguments are named before anything is read or written."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from kernel.arguments import Arguments, decode_arguments, extend_arguments, store_arguments
from superinfer import kernels

pytestmark = pytest.mark.kernel


def decode(**changes: Any) -> None:
    kernels.decode_attention(**(decode_arguments() | changes))


def extend(**changes: Any) -> None:
    kernels.extend_attention(**(extend_arguments() | changes))


def store(**changes: Any) -> None:
    kernels.kv_store(**(store_arguments() | changes))


@pytest.mark.parametrize("call", [decode, extend, store])
def test_the_unchanged_arguments_are_right(call: Callable[..., None]):
    call()


@pytest.mark.parametrize(
    ("call", "changes", "error", "message"),
    [
        (decode, {"q": torch.zeros(2, 64)}, ValueError, "q must have 3 dimensions, not 2"),
        (decode, {"q": torch.zeros(2, 4, 24)}, ValueError, "q must have size 16 in dimension 2, not 24"),
        (decode, {"q": torch.zeros(2, 3, 16)}, ValueError, "q must have a multiple of the cache's 2 heads, not 3"),
        (decode, {"q": torch.zeros(2, 4, 16).double()}, TypeError, "q must be float32, float16 or bfloat16"),
        (decode, {"q": torch.zeros(3, 4, 16), "out": torch.zeros(3, 4, 8)}, ValueError, "q must have size 2"),
        (decode, {"q": torch.zeros(2, 16, 4).mT}, ValueError, "q must have stride 1 in dimension 2"),
        (decode, {"out": torch.zeros(2, 4, 16)}, ValueError, "out must have size 8 in dimension 2, not 16"),
        (decode, {"v_cache": torch.zeros(5, 2, 8)}, ValueError, "v_cache must have size"),
        (decode, {"req_to_token": torch.zeros(4, 40).long()}, TypeError, "req_to_token must be int32"),
        (decode, {"rows": torch.tensor([0, 99])}, ValueError, r"rows\[1\] is 99, must be at least 0 and below 4"),
        (decode, {"rows": torch.tensor([0, 1]).int()}, TypeError, "rows must be int64"),
        (decode, {"seq_lens": torch.tensor([20, 99])}, ValueError, r"seq_lens\[1\] is 99"),
        (decode, {"seq_lens": torch.tensor([22, 7])}, ValueError, "req_to_token names a slot outside the KV cache"),
        (decode, {"window": 0}, ValueError, "window must be negative"),
        (decode, {"logit_cap": -1.0}, ValueError, "logit_cap must be 0"),
        (extend, {"prefix_lens": torch.tensor([21, 0])}, ValueError, r"prefix_lens\[0\] is 21"),
        (extend, {"qo_indptr": torch.tensor([0, 4, 12])}, ValueError, r"qo_indptr\[1\] is 4, must be 5"),
        (extend, {"qo_indptr": torch.tensor([0, 5])}, ValueError, "qo_indptr must have size 3"),
        (extend, {"causal": False, "window": 3}, ValueError, "a window needs causal attention"),
        (extend, {"seq_lens": torch.tensor([22, 5]), "prefix_lens": torch.tensor([17, -2])}, ValueError, "prefix_lens"),
        (store, {"loc": torch.tensor([0, 1, 9])}, ValueError, r"loc\[2\] is 9, must be at least 0 and below 9"),
        (store, {"loc": torch.tensor([0, 1])}, ValueError, "loc must have size 3 in dimension 0, not 2"),
        (store, {"v": torch.zeros(3, 2, 8).half()}, TypeError, "k and v must have the same dtype"),
        (store, {"k_cache": torch.zeros(9, 2, 32)[..., ::2]}, ValueError, "k_cache must be contiguous"),
        (
            store,
            {"k": torch.zeros(3, 2, 12), "k_cache": torch.zeros(9, 2, 12)},
            ValueError,
            "k_cache's head dimension must be a multiple of 8, not 12",
        ),
    ],
)
def test_names_what_is_wrong(call: Callable[..., None], changes: Arguments, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call(**changes)


def test_extend_names_a_slot_outside_the_cache():
    arguments = extend_arguments()
    arguments["req_to_token"][arguments["rows"][0], 3] = 10**6
    with pytest.raises(ValueError, match="req_to_token names a slot outside the KV cache"):
        kernels.extend_attention(**arguments)


def test_element_kernels_name_what_is_wrong():
    x = torch.zeros(3, 8)
    with pytest.raises(ValueError, match="weight must have size 8 in dimension 0, not 7"):
        kernels.rms_norm(x, torch.ones(7), 1e-5, torch.zeros(3, 8))
    with pytest.raises(ValueError, match="residual must have size 3 in dimension 0, not 2"):
        kernels.fused_add_rms_norm(x, torch.zeros(2, 8), torch.ones(8), 1e-5)
    with pytest.raises(ValueError, match="out must have size 4 in dimension 1, not 8"):
        kernels.silu_and_mul(x, torch.zeros(3, 8))
    with pytest.raises(ValueError, match=r"positions\[0\] is 5"):
        kernels.rope(torch.zeros(1, 1, 8), torch.zeros(1, 1, 8), torch.tensor([5]), torch.zeros(5, 8))
    with pytest.raises(TypeError, match="logits must be float32"):
        kernels.argmax(x.half(), torch.zeros(3).long())
