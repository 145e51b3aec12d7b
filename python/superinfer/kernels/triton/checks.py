"""Arguments are checked before a launch: what is wrong is named, in the words of the native kernels."""

from typing import TYPE_CHECKING

from superinfer.kernels.errors import KernelsUnavailable

if TYPE_CHECKING:
    import torch

FLOATS = ("torch.float32", "torch.float16", "torch.bfloat16")


def check_device(x: "torch.Tensor") -> None:
    """Refuse what Triton could not run on.

    Raises:
        KernelsUnavailable: There is no Triton, or ``x`` is not on a GPU and Triton does not interpret.
    """
    try:
        import triton
    except ImportError as error:
        raise KernelsUnavailable(f"Triton cannot be imported: {error}") from error
    if not (x.is_cuda or triton.knobs.runtime.interpret):
        raise KernelsUnavailable(f"Triton's kernels need tensors on a GPU, not on {x.device}")


def check_store(
    k: "torch.Tensor", v: "torch.Tensor", k_cache: "torch.Tensor", v_cache: "torch.Tensor", loc: "torch.Tensor"
) -> None:
    """Check the arguments of ``kv_store``."""
    check_pool(k_cache, v_cache)
    _check_rows(k, "k")
    _check_rows(v, "v")
    if k.dtype != v.dtype:
        raise TypeError("k and v must have the same dtype")
    for x, name, cache in ((k, "k", k_cache), (v, "v", v_cache)):
        check_size(x, name, 0, k.shape[0])
        check_size(x, name, 1, cache.shape[1])
        check_size(x, name, 2, cache.shape[2])
    check_integers(loc, "loc", k.shape[0])


def check_attention(
    q: "torch.Tensor",
    k_cache: "torch.Tensor",
    v_cache: "torch.Tensor",
    req_to_token: "torch.Tensor",
    rows: "torch.Tensor",
    seq_lens: "torch.Tensor",
    out: "torch.Tensor",
) -> None:
    """Check what both kinds of attention take."""
    check_pool(k_cache, v_cache)
    _check_rows(q, "q")
    check_size(q, "q", 2, k_cache.shape[2])
    if q.shape[1] == 0 or q.shape[1] % k_cache.shape[1]:
        raise ValueError(f"q must have a multiple of the cache's {k_cache.shape[1]} heads, not {q.shape[1]}")
    _check_rows(out, "out")
    for axis, size in enumerate((q.shape[0], q.shape[1], v_cache.shape[2])):
        check_size(out, "out", axis, size)
    _check_rank(req_to_token, "req_to_token", 2)
    _check_dense(req_to_token, "req_to_token")
    if str(req_to_token.dtype) != "torch.int32":
        raise TypeError("req_to_token must be int32")
    check_integers(rows, "rows", rows.numel())
    check_integers(seq_lens, "seq_lens", rows.numel())


def check_scores(logit_cap: float, window: int, *, causal: bool = True) -> None:
    """Check the numbers that shape the scores."""
    if not logit_cap >= 0:
        raise ValueError(f"logit_cap must be 0 (none) or positive, not {logit_cap}")
    if window == 0:
        raise ValueError("window must be negative (none) or at least 1")
    if window > 0 and not causal:
        raise ValueError("a window needs causal attention")


def check_integers(x: "torch.Tensor", name: str, size: int) -> None:
    """Check a vector of int64."""
    _check_rank(x, name, 1)
    check_size(x, name, 0, size)
    _check_contiguous(x, name)
    if str(x.dtype) != "torch.int64":
        raise TypeError(f"{name} must be int64")


def check_slots(slots: "torch.Tensor", k_cache: "torch.Tensor") -> tuple[int, int, int]:
    """Check where the formats of a cache begin, and return it."""
    check_integers(slots, "slots", 3)
    if slots.is_cuda:
        raise ValueError("slots must be on the CPU")
    int8, int4, end = slots.tolist()
    if int8 != k_cache.shape[0]:
        raise ValueError(f"slots[0] must be the cache's {k_cache.shape[0]} native slots, not {int8}")
    if not int8 <= int4 <= end:
        raise ValueError("slots must not fall")
    return int8, int4, end


def check_size(x: "torch.Tensor", name: str, axis: int, size: int) -> None:
    """Check one dimension."""
    if x.shape[axis] != size:
        raise ValueError(f"{name} must have size {size} in dimension {axis}, not {x.shape[axis]}")


def check_pool(k_cache: "torch.Tensor", v_cache: "torch.Tensor") -> None:
    """Check keys and values of a cache against each other."""
    for x, name in ((k_cache, "k_cache"), (v_cache, "v_cache")):
        _check_rows(x, name)
        _check_contiguous(x, name)
        if x.shape[2] == 0 or x.shape[2] % 8:
            raise ValueError(f"{name}'s head dimension must be a multiple of 8, not {x.shape[2]}")
    check_size(v_cache, "v_cache", 0, k_cache.shape[0])
    check_size(v_cache, "v_cache", 1, k_cache.shape[1])
    if k_cache.shape[1] == 0:
        raise ValueError("k_cache must have at least one head")
    if k_cache.dtype != v_cache.dtype:
        raise TypeError("k_cache and v_cache must have the same dtype")


def _check_rows(x: "torch.Tensor", name: str) -> None:
    _check_rank(x, name, 3)
    if str(x.dtype) not in FLOATS:
        raise TypeError(f"{name} must be float32, float16 or bfloat16, not {str(x.dtype).removeprefix('torch.')}")
    _check_dense(x, name)


def _check_dense(x: "torch.Tensor", name: str) -> None:
    axis = x.dim() - 1
    if x.shape[axis] > 1 and x.stride(axis) != 1:
        raise ValueError(f"{name} must have stride 1 in dimension {axis}, not {x.stride(axis)}")


def _check_contiguous(x: "torch.Tensor", name: str) -> None:
    if not x.is_contiguous():
        raise ValueError(f"{name} must be contiguous")


def _check_rank(x: "torch.Tensor", name: str, rank: int) -> None:
    if x.dim() != rank:
        raise ValueError(f"{name} must have {rank} dimensions, not {x.dim()}")
