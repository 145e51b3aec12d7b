"""Copies of KV rows between two pools in the same memory."""

import torch


def copy_rows(target: torch.Tensor, target_rows: torch.Tensor, source: torch.Tensor, source_rows: torch.Tensor) -> None:
    """Write ``source[source_rows]`` to ``target[target_rows]``, bit for bit.

    Args:
        target: ``[slots, ...]``, rows contiguous.
        target_rows: int64 ``[n]``, each at most once.
        source: Rows of the same shape and type.
        source_rows: int64 ``[n]``.

    Raises:
        ValueError: The rows differ in number, shape or type.
    """
    if target.dtype != source.dtype or target.shape[1:] != source.shape[1:] or len(target_rows) != len(source_rows):
        raise ValueError(
            f"cannot copy {len(source_rows)} rows of {source.dtype} {list(source.shape[1:])} to {len(target_rows)} "
            f"rows of {target.dtype} {list(target.shape[1:])}"
        )
    # As bytes: torch has no copies by index for some of the types that KV is kept in.
    put_rows(_bytes(target), target_rows, _bytes(source).index_select(0, source_rows))


def put_rows(target: torch.Tensor, target_rows: torch.Tensor, rows: torch.Tensor) -> None:
    """Write ``rows`` to ``target[target_rows]``: of a type and shape, each target at most once."""
    target.index_copy_(0, target_rows, rows)


def _bytes(rows: torch.Tensor) -> torch.Tensor:
    return rows.view(torch.uint8)
