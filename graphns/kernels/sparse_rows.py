"""Sparse matrices as rows: some of the rows, and the same entries column by column."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.threads import run


def select_rows(indptr: Tensor, indices: Tensor, values: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The entries of some rows, in the order asked for; a row may come twice.

    Args:
        indptr: [n + 1] int64 row starts.
        indices: [E] integers, the columns.
        values: [E].
        rows: [r] int64 in [0, n).

    Returns:
        indptr [r + 1], indices and values, in the dtypes given.
    """
    starts = torch.zeros(len(rows) + 1, dtype=torch.int64, device=rows.device)
    starts[1:] = (indptr[rows + 1] - indptr[rows]).cumsum(0)
    if indptr.device.type != "cpu":
        return select_rows_torch(indptr, indices, values, rows, starts)
    size = int(starts[-1])
    chosen, kept = indices.new_empty(size), values.new_empty(size)
    run(_select, len(rows), indptr.numpy(), indices.numpy(), values.numpy(), rows.contiguous().numpy(), starts.numpy(),
        chosen.numpy(), kept.numpy(), cost=1 + size // max(len(rows), 1))
    return starts, chosen, kept


def select_rows_torch(
    indptr: Tensor, indices: Tensor, values: Tensor, rows: Tensor, starts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The definition, on any device, with the starts that follow from the rows' sizes."""
    size = starts.diff()
    at = torch.arange(int(starts[-1]), device=rows.device) + torch.repeat_interleave(indptr[rows] - starts[:-1], size)
    return starts, indices[at], values[at]


def flip(indptr: Tensor, indices: Tensor, values: Tensor, num_cols: int) -> tuple[Tensor, Tensor, Tensor]:
    """The rows of the transpose: the entries of each column, in the order of their rows.

    Args:
        indptr: [n + 1] int64 row starts.
        indices: [E] integers in [0, num_cols).
        values: [E].
        num_cols: m.

    Returns:
        indptr [m + 1] int64, indices [E] and values [E], in the dtypes given.
    """
    starts = torch.zeros(num_cols + 1, dtype=torch.int64, device=indptr.device)
    starts[1:] = torch.bincount(indices, minlength=num_cols).cumsum(0)
    if indptr.device.type != "cpu":
        return starts, *flip_torch(indptr, indices, values)
    rows, moved = torch.empty_like(indices), torch.empty_like(values)
    _flip(indptr.numpy(), indices.numpy(), values.numpy(), starts[:-1].clone().numpy(), rows.numpy(), moved.numpy())
    return starts, rows, moved


def flip_torch(indptr: Tensor, indices: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, on any device: rows and values in the order of the columns."""
    order = indices.argsort(stable=True)
    row = torch.repeat_interleave(torch.arange(len(indptr) - 1, device=indptr.device), indptr.diff())
    return row[order].to(indices.dtype), values[order]


@compiled
def _select(begin, end, indptr, indices, values, rows, starts, chosen, kept):
    for i in range(begin, end):
        if i + 8 < end:
            prefetch(indices, indptr[rows[i + 8]])
            prefetch(values, indptr[rows[i + 8]])
        first, to = indptr[rows[i]], starts[i]
        for j in range(indptr[rows[i] + 1] - first):
            chosen[to + j] = indices[first + j]
            kept[to + j] = values[first + j]


@compiled
def _flip(indptr, indices, values, place, rows, moved):
    for row in range(indptr.shape[0] - 1):
        for e in range(indptr[row], indptr[row + 1]):
            at = place[indices[e]]
            place[indices[e]] = at + 1
            rows[at] = row
            moved[at] = values[e]
